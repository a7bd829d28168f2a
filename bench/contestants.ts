import { type ChildProcess, fork, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Request } from "./worker";

/** Another process that does one piece of work whenever it is asked, and says how long that took. */
export interface Contestant {
  /** Floating-point operations of one piece of work, where it counts them. */
  readonly flops: number;
  /** Seconds of one piece of work. */
  run(): Promise<number>;
  end(): void;
}

/** This library in a process of its own, since a process has one backend. */
export async function ours(request: Request): Promise<Contestant> {
  const child = fork(fileURLToPath(new URL("worker.ts", import.meta.url)), [JSON.stringify(request)]);
  const next = () => answer<number>(child, (resolve) => child.once("message", (value) => resolve(value as number)));
  const flops = await next();
  return {
    flops,
    run() {
      child.send("go");
      return next();
    },
    end: () => void child.kill(),
  };
}

/** A peer: a program that answers each line on its input with the seconds of one piece of work; undefined if it fails. */
export async function peer(command: string, args: readonly string[]): Promise<Contestant | undefined> {
  const child = spawn(command, args, {
    stdio: ["pipe", "pipe", "ignore"],
    cwd: fileURLToPath(new URL("peers", import.meta.url)),
  });
  const lines = createInterface({ input: child.stdout });
  const next = () => answer<string>(child, (resolve) => lines.once("line", resolve));
  try {
    console.error(`  ${await next()}`);
  } catch {
    return undefined;
  }
  return {
    flops: 0,
    async run() {
      child.stdin.write("go\n");
      return Number(await next());
    },
    end: () => void child.kill(),
  };
}

/** What a process says next; rejects if it ends instead. */
function answer<T>(child: ChildProcess, listen: (resolve: (value: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const fail = () => reject(new Error("a contestant ended early"));
    child.once("exit", fail);
    child.once("error", fail);
    listen((value) => {
      child.off("exit", fail);
      child.off("error", fail);
      resolve(value);
    });
  });
}
