/**
 * What opening a large file of prompts takes: twelve million captions, one a line, in the system's folder for temporary
 * files. What docs/stable-diffusion.md says of it was measured by this script.
 *
 *     npx tsup --no-dts --silent && npx tsx --tsconfig tsconfig.base.json bench/prompts.ts
 */
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openPrompts } from "../examples/sd/prompts/open";

const [lines, step] = [12_000_000, 100_000];
const [path] = process.argv.slice(2);
if (path === undefined) {
  const folder = mkdtempSync(join(tmpdir(), "prompts-"));
  try {
    const file = join(folder, "captions.txt");
    const handle = openSync(file, "w");
    for (let i = 0; i < lines; i += step)
      writeSync(
        handle,
        Array.from({ length: step }, (_, j) => `a photo of object ${i + j}, from the left side\n`).join(""),
      );
    closeSync(handle);
    console.log(`${lines} lines, ${(statSync(file).size / 1e9).toFixed(2)} GB`);
    spawnSync(process.execPath, [...process.execArgv, process.argv[1] as string, file], {
      stdio: ["ignore", "inherit", "ignore"],
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
} else {
  const started = performance.now();
  const prompts = await openPrompts(path);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(
    `opened: ${prompts.length} prompts in ${seconds} s, process at most ${(process.resourceUsage().maxRSS * 1.024e-3).toFixed(0)} MB`,
  );
  prompts.close();
}
