import { createHash, type Hash } from "node:crypto";
import { closeSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { join } from "node:path";

/** Read of each file, at its begin and its end: weights of gigabytes are not read twice. */
const looked = 2 ** 20;

/** Names a file of weights, or a folder's weights and configurations, wherever they lie: by sizes, begins and ends. */
export function fingerprint(path: string): string {
  const hash = createHash("sha256");
  if (statSync(path).isDirectory()) addFolder(hash, path, "");
  else addFile(hash, path);
  return hash.digest("hex").slice(0, 16);
}

function addFolder(hash: Hash, folder: string, under: string): void {
  const entries = readdirSync(join(folder, under), { withFileTypes: true }).map(({ name }) => name);
  // A copy in PyTorch's format beside is not read.
  const weights = entries.some((name) => name.endsWith(".safetensors")) ? /\.safetensors$/ : /\.(bin|pth|pt|ckpt)$/;
  for (const name of entries.sort()) {
    const path = under === "" ? name : `${under}/${name}`;
    if (name.startsWith(".")) continue;
    if (statSync(join(folder, path)).isDirectory()) addFolder(hash, folder, path);
    else if (name.endsWith(".json") || weights.test(name)) {
      hash.update(JSON.stringify(path));
      addFile(hash, join(folder, path));
    }
  }
}

function addFile(hash: Hash, path: string): void {
  const { size } = statSync(path);
  hash.update(`:${size}:`);
  const fd = openSync(path, "r");
  try {
    const buffer = Buffer.alloc(Math.min(looked, size));
    for (const from of new Set([0, size - buffer.length]))
      hash.update(buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, from)));
  } finally {
    closeSync(fd);
  }
}
