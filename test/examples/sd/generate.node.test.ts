import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { memory } from "@tensorflow/tfjs-core";
import { decode } from "fast-png";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { drawPictures } from "../../../examples/sd/draw-pictures";
import { parseGenerateOptions } from "../../../examples/sd/generate-options";
import { firstPrompts, listedPrompts, planPictures, slug } from "../../../examples/sd/pictures";
import { parseSeeds } from "../../../examples/sd/seeds";
import { writeTinyModel } from "../../../examples/sd/tiny-model";
import { useBackend } from "../../../src/backends";

const folder = mkdtempSync(join(tmpdir(), "sid-lsg-generate-"));
const tiny = join(folder, "tiny");
const many = join(folder, "many.txt");

beforeAll(async () => {
  await useBackend("cpu");
  await writeTinyModel(tiny, 0);
  writeFileSync(many, Array.from({ length: 2000 }, (_, i) => `a red fox, number ${i}\n`).join(""));
  await useBackend("wasm");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Draws into a folder of this name; returns what was printed. No tensor stays. */
async function draw(out: string, ...args: string[]): Promise<string> {
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  const tensors = memory().numTensors;
  try {
    const settings = parseGenerateOptions(["--model", tiny, "--out", join(folder, out), "--resolution", "64", ...args]);
    await drawPictures(settings as NonNullable<typeof settings>);
    return log.mock.calls.map(([line]) => line).join("\n");
  } finally {
    expect(memory().numTensors).toBe(tensors);
    log.mockRestore();
  }
}

const picturesIn = (out: string) =>
  readdirSync(join(folder, out))
    .filter((name) => name.endsWith(".png") && name !== "grid.png")
    .sort();
const bytesOf = (out: string, name: string) => readFileSync(join(folder, out, name));

test("2,000 pictures take the memory of a few; what is missing is drawn again, the same in any batch", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const held = new Map<number, number>();
  const watch = setInterval(() => {
    collect();
    if (existsSync(join(folder, "many"))) held.set(picturesIn("many").length, process.memoryUsage().arrayBuffers);
  }, 300);
  const arguments_ = ["--prompts", many, "--seed-per-prompt"];
  const told = await draw("many", ...arguments_, "--batch", "16").finally(() => clearInterval(watch));
  expect(told).toContain("many.txt: 2,000 prompts, read as text, a prompt per line:\n  1. a red fox, number 0\n");
  expect(told).toContain("  8. a red fox, number 7\n  …\n");
  expect(told).toMatch(/drawing {2}\[#+\.+\] \d+\/2000 {2}\d+:\d\d left/);
  expect(told).toMatch(/^2000 pictures are in \S+many; grid\.png shows the first 64\.$/m);
  const names = picturesIn("many");
  expect(names.length).toBe(2000);
  expect(names.at(-1)).toBe("2000-seed1999-a-red-fox-number-1999.png");
  // 12 kB of pixels in each.
  // The least of each third counts: between two looks, batches and the collector's own thread come and go.
  const least = (from: number, to: number) =>
    Math.min(...[...held].filter(([count]) => count >= from && count < to).map(([, bytes]) => bytes));
  const [early, late] = [least(200, 800), least(1400, 2000)];
  expect(Number.isFinite(early + late)).toBe(true);
  expect(late - early).toBeLessThan(3e6);

  const gone = [names[0], names[700], names[701], names[1999]] as string[];
  const before = gone.map((name) => bytesOf("many", name));
  for (const name of gone) rmSync(join(folder, "many", name));
  const kept = statSync(join(folder, "many", names[5] as string)).mtimeMs;
  const again = await draw("many", ...arguments_, "--skip-existing", "--batch", "3", "--grid", "0");
  expect(again).toContain("1996 of 2000 pictures are there and stay.");
  expect(again).toMatch(/drawing .* 4\/4/);
  expect(again).toMatch(/^2000 pictures are in \S+many\.$/m);
  expect(gone.map((name) => bytesOf("many", name).equals(before[gone.indexOf(name)] as Buffer))).toEqual(
    gone.map(() => true),
  );
  expect(statSync(join(folder, "many", names[5] as string)).mtimeMs).toBe(kept);
  const nothing = await draw("many", ...arguments_, "--skip-existing");
  expect(nothing).not.toContain("drawing");
  expect(nothing).toContain("2000 of 2000 pictures are there and stay.");
});

test.each([
  ["one step", []],
  ["three steps", ["--steps", "3"]],
  ["DDIM", ["--ddim", "2"]],
])("%s: a picture depends on its prompt and seed alone", async (name, how) => {
  const one = ["--prompt", "a red fox", "--prompt", "a blue boat", "--seeds", "0-2,7", ...how];
  await draw(`${name} alone`, ...one, "--grid", "8");
  await draw(`${name} in fives`, ...one, "--batch", "5");
  await draw(`${name} own seed`, "--prompt", "a blue boat", "--seeds", "7", "--seed-per-prompt", ...how);
  const names = picturesIn(`${name} alone`);
  expect(names).toHaveLength(8);
  expect(picturesIn(`${name} in fives`)).toEqual(names);
  for (const file of names) expect(bytesOf(`${name} alone`, file).equals(bytesOf(`${name} in fives`, file))).toBe(true);
  const twin = bytesOf(`${name} own seed`, "0001-seed7-a-blue-boat.png");
  expect(twin.equals(bytesOf(`${name} alone`, "0002-seed7-a-blue-boat.png"))).toBe(true);
  expect(new Set(names.map((file) => bytesOf(`${name} alone`, file).toString("latin1"))).size).toBe(8);
  // A row per prompt.
  expect(decode(bytesOf(`${name} alone`, "grid.png"))).toMatchObject({ width: 4 * 66 - 2, height: 2 * 66 - 2 });
});

test("a grid holds at most as many as are wanted, in whole rows", async () => {
  const size = async (out: string, ...args: string[]) => {
    const told = await draw(out, ...args);
    const { width, height } = decode(bytesOf(out, "grid.png"));
    return [(width + 2) / 66, (height + 2) / 66, /the first \d+|them/.exec(told)?.[0]];
  };
  const seeds = ["--prompt", "a fox", "--seeds", "0-17"];
  expect(await size("all", ...seeds)).toEqual([5, 4, "them"]);
  expect(await size("seven", ...seeds, "--grid", "7")).toEqual([3, 2, "the first 6"]);
  const rows = ["--prompt", "a fox", "--prompt", "a cat", "--prompt", "a boat", "--seeds", "3,4"];
  expect(await size("rows", ...rows, "--grid", "5")).toEqual([2, 2, "the first 4"]);
  expect(await size("one", "--prompt", "a fox")).toEqual([1, 1, "them"]);
  expect(await size("one", "--prompt", "a cat", "--seeds", "1")).toEqual([1, 1, "them"]);
  expect(await draw("one", "--prompt", "a boat")).toMatch(
    /^1 picture is in .*; 2 other pictures were there before\.$/m,
  );
});

test("a folder that holds other pictures, or was drawn otherwise, is not mixed up", async () => {
  await draw("taken", "--prompt", "a fox", "--seeds", "0-1");
  const before = bytesOf("taken", "0001-seed0-a-fox.png");
  await expect(draw("taken", "--prompt", "a fox", "--seeds", "0-3")).rejects.toThrow(
    /holds 2 of these 4 pictures; --skip-existing draws the others/,
  );
  await expect(draw("taken", "--prompt", "a fox", "--seeds", "0-3", "--skip-existing", "--steps", "2")).rejects.toThrow(
    /--skip-existing: the pictures in \S+ were drawn with other options: steps \(there 1, here 2\)\. Take another --out/,
  );
  await expect(draw("taken", "--prompt", "a cat", "--skip-existing")).rejects.toThrow(/other options: prompts \(there/);
  await draw("taken", "--prompt", "a fox", "--seeds", "0-3", "--skip-existing");
  expect(picturesIn("taken")).toHaveLength(4);
  expect(bytesOf("taken", "0001-seed0-a-fox.png").equals(before)).toBe(true);
  const broken = join(folder, "taken", "0001-seed2-a-fox.png");
  writeFileSync(broken, "");
  await expect(draw("taken", "--prompt", "a fox", "--seeds", "0-3", "--skip-existing")).rejects.toThrow(
    `${broken} is no whole picture of this script; delete it, and --skip-existing draws it anew.`,
  );
  writeFileSync(join(folder, "taken", "pictures.json"), "{");
  await expect(draw("taken", "--prompt", "a fox", "--skip-existing")).rejects.toThrow(
    "must be as sd:generate wrote it",
  );
});

const plan = (prompts: readonly string[], seeds?: string, seedPerPrompt = false) => {
  const pictures = planPictures(listedPrompts(prompts), {
    seeds: seeds === undefined ? undefined : parseSeeds(seeds),
    seedPerPrompt,
  });
  return Array.from({ length: pictures.count }, (_, i) => pictures.at(i).name);
};

test("seeds are numbers and ranges; one each may be there twice, as in the paper's figures", () => {
  expect(plan(["x"])).toEqual(["0001-seed0-x.png"]);
  expect(plan(["x", "y"], "3, 5-6,057")).toEqual(
    ["0001", "0002"].flatMap((i) => [3, 5, 6, 57].map((seed) => `${i}-seed${seed}-${i === "0001" ? "x" : "y"}.png`)),
  );
  expect(plan(["x", "x", "x"], "8,8,2", true)).toEqual(["0001-seed8-x.png", "0002-seed8-x.png", "0003-seed2-x.png"]);
  expect(plan(["x", "y"], undefined, true)).toEqual(["0001-seed0-x.png", "0002-seed1-y.png"]);
  const { count, at } = planPictures(
    { length: 30_000, get: (i) => `prompt ${i}`, fingerprint: "f" },
    { seeds: parseSeeds("0-29999"), seedPerPrompt: true },
  );
  expect(count).toBe(30_000);
  expect(at(29_999)).toEqual({ prompt: "prompt 29999", seed: 29_999, name: "30000-seed29999-prompt-29999.png" });
  expect(at(0).name).toBe("00001-seed0-prompt-0.png");
});

test("the first of many prompts give pictures of the same names as all of them", () => {
  const prompts = { length: 12_000, get: (i: number) => `prompt ${i}`, fingerprint: "f" };
  const names = (first?: number) => {
    const { at } = planPictures(firstPrompts(prompts, first), { seeds: undefined, seedPerPrompt: false });
    return [at(0).name, at(99).name];
  };
  expect(names(100)).toEqual(names());
  expect(names(100)).toEqual(["00001-seed0-prompt-0.png", "00100-seed0-prompt-99.png"]);
});

test.each([
  ["5-3", "a range goes upwards, as 3-5 does"],
  ["-1", "whole numbers from 0 and ranges"],
  ["0-", "whole numbers from 0 and ranges"],
  ["1.5", "whole numbers from 0 and ranges"],
  ["", "whole numbers from 0 and ranges"],
  ["1,,2", "whole numbers from 0 and ranges"],
  ["0-9007199254740992", "a seed is at most 9007199254740991"],
  ["0-99999999999", "at most 10000000 go at once"],
  ["0-3,2", "--seeds names 2 twice"],
  ["4,1-2,4", "--seeds names 4 twice"],
])("seeds %j are refused: %s", (seeds, message) => {
  expect(() => plan(["x", "y"], seeds)).toThrow(message);
});

test("seeds and prompts that are not as many are refused, with the way out", () => {
  expect(() => plan(["x", "y", "z"], "0-1", true)).toThrow(
    "--seed-per-prompt takes as many seeds as prompts, got 2 seeds and 3 prompts; --first 2 takes so many of the prompts.",
  );
  expect(() => plan(["x"], "0-1", true)).toThrow("got 2 seeds and 1 prompts.");
});

test.each([
  [["--resolutoin", "64"], "There is no option --resolutoin; did you mean --resolution?"],
  [["--seed=1"], "There is no option --seed; did you mean --seeds?"],
  [["-p", "x"], "There is no option -p; --help lists all."],
  [["--zzzzzzzz"], "There is no option --zzzzzzzz; --help lists all."],
  [["--grid", "257"], '--grid is at most 256, got "257".'],
  [["--batch", "0"], "--batch must be a number of at least 1"],
  [["--first", "0"], "--first must be a number of at least 1"],
  [["--caption-key", "text"], "--caption-key needs --prompts FILE."],
  [["--prompts", "p"], "wanted one of --prompt TEXT and --prompts FILE"],
])("options %j are refused: %s", (args, message) => {
  expect(() => parseGenerateOptions(["--model", "m", "--prompt", "p", ...args])).toThrow(message);
});

test("more prompts than there are, or none, are refused before a folder is made", async () => {
  await expect(draw("nothing", "--prompts", many, "--first", "2001")).rejects.toThrow(
    "--first: there are 2000 prompts",
  );
  const empty = join(folder, "empty.txt");
  writeFileSync(empty, "\n\n");
  await expect(draw("nothing", "--prompts", empty)).rejects.toThrow("holds no prompts");
  expect(existsSync(join(folder, "nothing"))).toBe(false);
});

test("names keep to letters and digits, of a length that every file system takes", () => {
  expect(slug("A photo of a “fox”, 8K!")).toBe("a-photo-of-a-fox-8k");
  expect(slug("../../etc/passwd")).toBe("etc-passwd");
  expect(slug(" !? ")).toBe("empty");
  expect(slug("a".repeat(500))).toBe("a".repeat(60));
  expect(Buffer.byteLength(slug("狐".repeat(100)))).toBeLessThanOrEqual(90);
  expect(slug("𝒜".repeat(100))).toBe("𝒜".repeat(22));
});
