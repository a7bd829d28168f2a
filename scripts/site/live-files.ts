/** What the live parts of the site fetch while they run: files beside its pages. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const wasm = "node_modules/@tensorflow/tfjs-backend-wasm/wasm-out";

/** Files by their addresses in the site's folder. */
export async function liveFiles(): Promise<ReadonlyMap<string, Uint8Array>> {
  const binaries = readdirSync(wasm).filter((name) => name.endsWith(".wasm"));
  return new Map(binaries.map((name) => [`wasm/${name}`, readFileSync(join(wasm, name))]));
}
