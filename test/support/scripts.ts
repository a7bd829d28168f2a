/** Starts the scripts of examples/ as a terminal does, in real processes. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

/** How a script ended, and all that it printed. */
export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly text: string;
}

/** A script that runs. */
export interface Running {
  readonly pid: number;
  /** The first line that matches, printed already or to come; rejects where the script ends without. */
  line(pattern: RegExp): Promise<string>;
  /** Sends a signal to the script and the processes that it started, as a key press does. */
  press(signal: NodeJS.Signals): void;
  /** Sends a signal to the script alone, as `kill` does. */
  kill(signal: NodeJS.Signals): void;
  /** Reads no more of what it prints, as `head` does when it has enough. */
  close(): void;
  readonly ended: Promise<Outcome>;
}

/** Where a script starts. */
export interface Start {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A build of the library that is the caller's alone, since another test may be renewing dist, and how to run on it. */
export function prepareLibrary(name: string) {
  const place = resolve(".cache", name);
  const tsconfig = join(place, "tsconfig.json");
  const dist = join(place, "dist");
  mkdirSync(place, { recursive: true });
  execFileSync("npx", ["tsup", "--no-dts", "--silent", "--out-dir", dist]);
  const paths = { "sid-lsg": [join(dist, "index.js")], "sid-lsg/*": [join(dist, "*.js")] };
  writeFileSync(tsconfig, JSON.stringify({ extends: resolve("tsconfig.base.json"), compilerOptions: { paths } }));
  const loader = pathToFileURL(resolve("scripts/run-typescript.mjs")).href;

  const { INIT_CWD: _, ...inherited } = process.env;
  const environment = { ...inherited, TSX_TSCONFIG_PATH: tsconfig };
  const command = (script: string, args: readonly string[]) => [
    process.execPath,
    "--import",
    loader,
    resolve("examples", `${script}.ts`),
    ...args,
  ];
  const start = (script: string, args: readonly string[], { cwd, env }: Start = {}) =>
    running(command(script, args), { cwd, env: { ...environment, ...env } });
  return {
    /** What a script is started with. */
    command,
    env: environment,
    start,
    /** Runs a script to its end; at the first line that matches, it gets the signal. */
    async run(script: string, args: readonly string[], at?: RegExp, signal: NodeJS.Signals = "SIGINT") {
      const child = start(script, args);
      if (at)
        child.line(at).then(
          () => child.press(signal),
          () => {},
        );
      return child.ended;
    },
    remove: () => rmSync(place, { recursive: true, force: true }),
  };
}

function running(
  [program = "", ...args]: readonly string[],
  options: { cwd: string | undefined; env: NodeJS.ProcessEnv },
): Running {
  const child = spawn(program, args, { ...options, detached: true });
  const pid = child.pid as number;
  const lines: string[] = [];
  const waiting = new Set<(line: string) => void>();
  for (const stream of [child.stdout, child.stderr])
    createInterface(stream).on("line", (line) => {
      lines.push(line);
      for (const tell of waiting) tell(line);
    });
  const ended = once(child, "close").then(([code, signal]) => ({ code, signal, text: lines.join("\n") }) as Outcome);
  return {
    pid,
    line(pattern) {
      const found = lines.find((line) => pattern.test(line));
      if (found !== undefined) return Promise.resolve(found);
      return new Promise((resolve, reject) => {
        const tell = (line: string) => {
          if (!pattern.test(line)) return;
          waiting.delete(tell);
          resolve(line);
        };
        waiting.add(tell);
        ended.then(({ text }) => reject(new Error(`The script ended without ${pattern}:\n${text}`)));
      });
    },
    press: (signal) => send(-pid, signal),
    kill: (signal) => send(pid, signal),
    close() {
      child.stdout.destroy();
      child.stderr.destroy();
    },
    ended,
  };
}

/** Signals a process or, by its negative number, its group; one that has ended meanwhile hears nothing. */
function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
