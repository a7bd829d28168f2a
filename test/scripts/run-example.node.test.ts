/** The npm scripts of the examples, as people start them. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, expect, test } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "sid-lsg-npm-"));
afterAll(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, "prompts.txt"), "a red fox\n");

/** An npm script, called from a folder; at the first line that matches, npm alone gets the signal. */
async function npm(cwd: string, words: readonly string[], at?: RegExp, signal: NodeJS.Signals = "SIGTERM") {
  const { INIT_CWD: _, ...env } = process.env;
  const child = spawn("npm", ["--prefix", resolve("."), "run", "-s", ...words], { cwd, env });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    createInterface(stream).on("line", (line) => {
      if (at?.test(line) && !lines.some((earlier) => at.test(earlier))) child.kill(signal);
      lines.push(line);
    });
  const [code] = await once(child, "close");
  return { code: code as number | null, text: lines.join("\n") };
}

test("paths are from where npm was called, and a signal to npm saves the run", async () => {
  const made = await npm(folder, ["sd:tiny-model", "--", "--out", "tiny"]);
  expect(made).toEqual({ code: 0, text: "A model with random weights is in tiny." });
  expect(existsSync(join(folder, "tiny", "model_index.json"))).toBe(true);

  const below = join(folder, "below");
  mkdirSync(below);
  const recipe = ["--iterations", "40", "--resolution", "64", "--batch", "2", "--samples", "1", "--out", "run"];
  const paths = ["--model", "../tiny", "--prompts", "../prompts.txt"];
  const { text } = await npm(below, ["sd:distill", "--", ...paths, ...recipe], /distilling .* \d+\/40/);
  expect(text).toMatch(/^(SIGTERM|npm is gone): stopping after this iteration/m);
  expect(text).toMatch(/^Stopped; the run is saved at iteration \d+\./m);
  expect(readdirSync(join(below, "run")).filter((name) => /lock|tmp/.test(name))).toEqual([]);
  expect(existsSync(join(below, "run", "checkpoint.safetensors"))).toBe(true);
});

test("scripts that start at once on an old build all find a whole library", async () => {
  const old = new Date(0);
  if (existsSync("dist/index.js")) utimesSync("dist/index.js", old, old);
  const names = ["a", "b", "c"];
  const all = await Promise.all(names.map((name) => npm(folder, ["sd:tiny-model", "--", "--out", name])));
  expect(all.map(({ text }) => text)).toEqual(names.map((name) => `A model with random weights is in ${name}.`));
});
