/** Starts the digits' job as `npm run example:digits` does, and interrupts it as Ctrl-C in a terminal does. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decode } from "fast-png";
import { afterAll, expect, test } from "vitest";
import type { SavedHistory } from "../../../examples/text-to-image/history";
import { outputs } from "../../../examples/text-to-image/paths";
import type { Report } from "../../../examples/text-to-image/report";
import { prepareLibrary } from "../../support/scripts";

const folder = mkdtempSync(join(tmpdir(), "sid-lsg-digits-"));
const library = prepareLibrary("text-to-image");
const short = ["--iterations", "7", "--captions", "100"];
const begun = /^Ctrl-C stops/;

afterAll(() => {
  rmSync(folder, { recursive: true });
  library.remove();
});

/** Runs the job; at the first line that matches, the signal goes to all its processes. */
const digits = (args: readonly string[], at?: RegExp, signal?: NodeJS.Signals) =>
  library.run("digits/main", args, at, signal);

test("a run that Ctrl-C stopped and --resume finished ends like one that was left alone", async () => {
  const [whole, cut] = [join(folder, "whole"), join(folder, "cut")];
  const files = outputs(cut);
  const generatorIn = (out: string) =>
    readFileSync(join(outputs(out).generator, "unet", "diffusion_pytorch_model.safetensors"));
  // The generator is written before it is measured.
  await digits([...short, "--out", whole], /^Measuring/, "SIGKILL");

  const stopped = await digits([...short, "--out", cut], / 2\/7 /);
  expect(stopped).toMatchObject({ code: 0, text: expect.stringMatching(/Stopped; the run is saved\. .*--resume/) });
  const checkpoint = readFileSync(files.checkpoint);
  expect(existsSync(files.generator)).toBe(false);

  const stoppedAgain = await digits([...short, "--out", cut, "--resume"], begun);
  expect(stoppedAgain).toMatchObject({ code: 0, text: expect.stringContaining("the checkpoint is as it was") });
  expect(readFileSync(files.checkpoint)).toEqual(checkpoint);

  const shorter = await digits(["--iterations", "1", "--captions", "100", "--out", cut, "--resume"]);
  expect(shorter).toMatchObject({ code: 1, text: expect.stringMatching(/^distill: checkpoint .* beyond the 1 /m) });

  const resumed = await digits([...short, "--out", cut, "--resume"]);
  expect(resumed).toMatchObject({ code: 0, text: expect.stringMatching(/held-out pairs/) });
  expect(resumed.text).toMatch(/^distance: .* the table's 100 captions/m);
  expect(resumed.text).toMatch(/ 7\/7 .* distance \d.* words \d/);
  expect(resumed.text).not.toContain(" 1/7 ");
  expect(generatorIn(cut).equals(generatorIn(whole))).toBe(true);

  const { groups }: Report = JSON.parse(readFileSync(files.report, "utf8"));
  const names = ["generator", "real", "teacher1", "teacher50", "teacher50Guided"];
  for (const rows of [groups.trained, groups.heldOut]) {
    expect(Object.keys(rows).sort()).toEqual(names);
    expect(Object.values(rows).every(({ frechetDistance }) => frechetDistance.value > 0)).toBe(true);
  }
  const { metrics, looks }: SavedHistory = JSON.parse(readFileSync(files.history, "utf8"));
  expect(metrics.map(({ iteration }) => iteration)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(looks.map(({ iteration }) => iteration)).toEqual(expect.arrayContaining([0, 7]));
  expect(readFileSync(files.curves, "utf8")).toMatch(/^<svg/);
  for (const picture of [files.samples, files.contactSheet])
    expect(decode(readFileSync(picture)).width).toBeGreaterThan(300);

  const prompted = await digits(["--prompt", "a green four", "--out", cut]);
  expect(prompted.code).toBe(0);
  expect(decode(readFileSync(join(cut, "a-green-four.png"))).width).toBeGreaterThan(300);
}, 900_000);

test("Ctrl-C before the first iteration says that nothing was saved", async () => {
  const out = join(folder, "early");
  const { code, text } = await digits([...short, "--out", out], begun);
  expect(text).toMatch(/^Stopped before the first iteration; nothing was saved\.$/m);
  expect(text).not.toContain("--resume and");
  expect(code).toBe(0);
  expect(existsSync(outputs(out).checkpoint)).toBe(false);
});

test.each([
  ["package.json/out", "package.json is a file, not a folder."],
  ["/proc/none/out", "'/proc/none'"],
])("--out %s is refused at once", async (out, message) => {
  const { code, text } = await digits(["--out", out]);
  expect(text).toContain(message);
  expect(text).not.toMatch(/^ +at /m);
  expect(code).toBe(1);
});
