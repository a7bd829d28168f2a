/** What the live parts of the site fetch while they run: files beside its pages. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { contentOf, served } from "../../examples/browser/files.ts";

const wasm = "node_modules/@tensorflow/tfjs-backend-wasm/wasm-out";

/** Files by their addresses in the site's folder. */
export async function liveFiles(): Promise<ReadonlyMap<string, Uint8Array>> {
  const binaries = readdirSync(wasm).filter((name) => name.endsWith(".wasm"));
  const emoji = Object.keys(served).map(async (address) => [`emoji/${address}`, await contentOf(address)] as const);
  return new Map([
    ...binaries.map((name): [string, Uint8Array] => [`wasm/${name}`, readFileSync(join(wasm, name))]),
    ["emoji/generator.safetensors", readFileSync("examples/browser/public/generator.safetensors")],
    ...(await Promise.all(emoji)),
  ]);
}
