import { type ChildProcess, fork, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Request } from "./worker";

/** Another process that does one piece of work whenever it is asked, and says how long that took. */
export interface Contestant {
  /** Seconds of one piece of work. */
  run(): Promise<number>;
  end(): void;
}

/** A contestant of this library. */
export interface OwnContestant extends Contestant {
  /** Floating-point operations of one piece of work. */
  readonly flops: number;
  /** Seconds of the first piece of work, in which everything is made ready. */
  readonly firstSeconds: number;
  /** Of one network. */
  readonly weights: number;
  /** The largest size of the process so far, in bytes. */
  peakBytes(): Promise<number>;
}

/** This library in a process of its own, since a process has one backend. */
export async function ours(request: Request): Promise<OwnContestant> {
  const child = fork(fileURLToPath(new URL("worker.ts", import.meta.url)), [JSON.stringify(request)]);
  const next = <T>() => answer<T>(child, (resolve) => child.once("message", (value) => resolve(value as T)));
  const ask = (what: "go" | "peak") => {
    const answered = next<number>();
    child.send(what);
    return answered;
  };
  return {
    ...(await next<Pick<OwnContestant, "flops" | "firstSeconds" | "weights">>()),
    run: () => ask("go"),
    peakBytes: () => ask("peak"),
    end: () => void child.kill(),
  };
}

/** A peer: a program of peers/ that answers each line on its input with the seconds of one piece of work; undefined if it fails. */
export async function peer(
  command: string,
  [script = "", ...args]: readonly string[],
): Promise<Contestant | undefined> {
  const file = fileURLToPath(new URL(`peers/${script}`, import.meta.url));
  const child = spawn(command, [file, ...args], { stdio: ["pipe", "pipe", "ignore"] });
  const lines = createInterface({ input: child.stdout });
  const next = () => answer<string>(child, (resolve) => lines.once("line", resolve));
  try {
    console.error(`  ${await next()}`);
  } catch {
    return undefined;
  }
  return {
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
