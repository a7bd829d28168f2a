import { basename, resolve } from "node:path";
import { parseArgs } from "node:util";
import { SidError } from "sid-lsg";
import { type BackendName, backendNames, useBackend } from "sid-lsg/backends";
import { diskFolder } from "sid-lsg/io";
import { readCase } from "./case";
import { replay } from "./replay";

/** What the command prints and how it exits. */
export interface Outcome {
  /** 0: every figure is within its limit; 1: one is not; 2: the case cannot be replayed. */
  readonly exitCode: 0 | 1 | 2;
  /** One JSON object, or nothing. */
  readonly stdout: string;
  /** What is amiss, or nothing. */
  readonly stderr: string;
}

/** `DIR [--backend NAME]`: replays a case folder, on the wasm backend unless told otherwise. */
export async function main(args: readonly string[]): Promise<Outcome> {
  try {
    const { folder, backend } = parse(args);
    const started = performance.now();
    const recorded = await readCase(diskFolder(folder));
    await useBackend(backend as BackendName);
    const report = await replay(recorded);
    const seconds = Math.round(performance.now() - started) / 1000;
    const json = JSON.stringify({ case: basename(resolve(folder)), backend, seconds, ...report }, null, 2);
    return { exitCode: report.pass ? 0 : 1, stdout: json, stderr: "" };
  } catch (error) {
    const stderr = error instanceof SidError ? `${error.code}: ${error.message}` : String((error as Error).stack);
    return { exitCode: 2, stdout: "", stderr };
  }
}

function parse(args: readonly string[]): { folder: string; backend: string } {
  const usage = `usage: npm run -s replay -- DIR [--backend ${backendNames.join("|")}]`;
  try {
    const options = { backend: { type: "string", default: "wasm" } } as const;
    const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options });
    if (positionals.length === 1) return { folder: positionals[0] as string, backend: values.backend };
  } catch (cause) {
    throw new SidError("invalid-argument", `${(cause as Error).message} ${usage}`, { cause });
  }
  throw new SidError("invalid-argument", usage);
}
