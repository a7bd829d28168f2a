/** The trainer of a Stable Diffusion among pipes, signals and other runs, in real processes. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { randomStream } from "../../../src/core";
import { readSafetensors } from "../../../src/io";
import { prepareScripts } from "../../support/sd-scripts";

const { folder, tiny, prompts, distill, start, library, remove } = await prepareScripts("sd-surroundings");
afterAll(remove);

const three = ["--iterations", "3", "--checkpoint-every", "1"];
const unetIn = (out: string) =>
  readFileSync(join(folder, out, "generator", "unet", "diffusion_pytorch_model.safetensors"));
/** What a run that was left alone ends with. */
let whole: Buffer;
beforeAll(async () => {
  expect(await distill("whole", three)).toMatchObject({ code: 0 });
  whole = unetIn("whole");
});

test("a pipe that closes ends nothing", async () => {
  const run = start("piped", three);
  await run.line(/1\/3/);
  run.close();
  expect(await run.ended).toMatchObject({ code: 0, signal: null });
  expect(unetIn("piped").equals(whole)).toBe(true);
});

test.each(["SIGTERM", "SIGHUP"] as const)("%s saves like Ctrl-C", async (signal) => {
  const run = start(signal, three);
  await run.line(/1\/3/);
  run.kill(signal);
  await run.line(new RegExp(`^${signal}: stopping after this iteration, then the run is saved\\.`));
  const { code, text } = await run.ended;
  expect(text).toMatch(/^Stopped; the run is saved at iteration [12]\./m);
  expect(code).toBe(0);
  expect(readdirSync(join(folder, signal)).filter((name) => /lock|tmp/.test(name))).toEqual([]);
  expect(await distill(signal, [...three, "--resume"])).toMatchObject({ code: 0 });
  expect(unetIn(signal).equals(whole)).toBe(true);
});

test("a terminal that closes takes its output along; the run is saved", async () => {
  const run = start("gone", three);
  await run.line(/1\/3/);
  run.close();
  run.kill("SIGHUP");
  expect(await run.ended).toMatchObject({ code: 0, signal: null });
  expect(existsSync(join(folder, "gone", "generator"))).toBe(false);
  expect(await distill("gone", [...three, "--resume"])).toMatchObject({ code: 0 });
  expect(unetIn("gone").equals(whole)).toBe(true);
});

test("Ctrl-C is answered within an iteration; the second one stops at once, and what was saved is whole", async () => {
  const run = start("hard", ["--iterations", "2", "--batch", "48", "--checkpoint-every", "1"]);
  await run.line(/1\/2/);
  await sleep(1500); // the second iteration, which takes longer, has begun
  run.press("SIGINT");
  await run.line(/^Ctrl-C: stopping after this iteration, .*Once more stops at once\.$/);
  run.press("SIGINT"); // as npm does, which hands the key press on
  await sleep(500);
  process.kill(run.pid, 0); // throws where the process is gone
  run.press("SIGINT");
  const { code, text } = await run.ended;
  expect(text).toMatch(/^Ctrl-C again: stopped at once; what was saved is whole\.$/m);
  expect(code).toBe(130);
  const { metadata } = await readSafetensors(join(folder, "hard", "checkpoint.safetensors"));
  expect(JSON.parse(metadata["progress"] as string)).toMatchObject({ iteration: 1 });
  expect(readdirSync(join(folder, "hard")).filter((name) => /lock|tmp/.test(name))).toEqual([]);
});

test("a signal while nothing can be saved ends the script at once; the next one takes its lock over", async () => {
  const run = start("early", three);
  await run.line(/^Memory/);
  run.kill("SIGTERM");
  expect(await run.ended).toMatchObject({ code: null, signal: "SIGTERM" });
  expect(await distill("early", ["--dry-run"])).toMatchObject({ code: 0, text: expect.stringMatching(/^Took over /m) });
  expect(readdirSync(join(folder, "early"))).toEqual(["samples"]);
});

test("Ctrl-C ends a script in the midst of a long computation that saves nothing", async () => {
  const run = library.start("digits/train-judge", []);
  await run.line(/training the judge/);
  const pressed = performance.now();
  run.press("SIGINT");
  expect(await run.ended).toMatchObject({ code: null, signal: "SIGINT" });
  expect(performance.now() - pressed).toBeLessThan(3000);
});

test("of two runs that start into one folder at the same moment, one is refused and the other ends as if alone", async () => {
  const runs = [start("shared", three), start("shared", three)];
  const outcomes = await Promise.all(runs.map(({ ended }) => ended));
  const refused = outcomes.findIndex(({ code }) => code === 1);
  const holder = runs[1 - refused]?.pid;
  expect(outcomes[refused]?.text).toMatch(
    new RegExp(`^--out: .*shared is taken by process ${holder} on .*, since 20`, "m"),
  );
  expect(outcomes[1 - refused]).toMatchObject({ code: 0 });
  expect(unetIn("shared").equals(whole)).toBe(true);
});

test("a killed run leaves its lock, which the next one takes over", async () => {
  const run = start("killed", three);
  await run.line(/1\/3/);
  run.press("SIGKILL");
  await run.ended;
  expect(existsSync(join(folder, "killed", "run.lock"))).toBe(true);
  const resumed = await distill("killed", [...three, "--resume"]);
  expect(resumed.text).toMatch(
    new RegExp(`^Took over .*run\\.lock, left by process ${run.pid}, which was killed\\.$`, "m"),
  );
  expect(unetIn("killed").equals(whole)).toBe(true);
});

test("a run goes back behind a damaged checkpoint with a line, and ends as if nothing had been", async () => {
  expect(await distill("damaged", [...three, "--keep", "3"])).toMatchObject({ code: 0 });
  const file = join(folder, "damaged", "checkpoint.safetensors");
  const bytes = readFileSync(file);
  bytes[bytes.length - 100] = (bytes[bytes.length - 100] as number) ^ 4;
  writeFileSync(file, bytes);
  const resumed = await distill("damaged", [...three, "--keep", "3", "--resume"]);
  expect(resumed.text).toMatch(
    /"generator\.\S+" is damaged: .* The run goes on from ".*checkpoint\.safetensors\.1"\.$/m,
  );
  expect(resumed).toMatchObject({ code: 0, text: expect.not.stringContaining(" 2/3 ") });
  expect(unetIn("damaged").equals(whole)).toBe(true);
  const checkpoints = readdirSync(join(folder, "damaged")).filter((name) => name.startsWith("checkpoint"));
  expect(checkpoints.sort()).toEqual(["", ".1", ".2"].map((rest) => `checkpoint.safetensors${rest}`));
});

test("a run that is killed again and again, at any moment, ends as if nothing had been", async () => {
  const usual = ["--iterations", "20", "--batch", "1", "--checkpoint-every", "1", "--snapshot-every", "100"];
  const alone = distill("alone", usual);
  const long = [...usual, "--resume-if-present"];
  const moments = randomStream(1).uniform(6);
  let kills = 0;
  for (const moment of moments) {
    const run = start("kills", long);
    // A fast machine may be at the end before the last moments come.
    await Promise.race([run.line(/\d+\/20 /).catch(() => {}), run.ended]);
    await sleep(500 * moment);
    run.press("SIGKILL");
    if ((await run.ended).code !== 0) kills++;
  }
  expect(kills).toBeGreaterThan(2);
  expect(await distill("kills", long)).toMatchObject({ code: 0 });
  expect(await alone).toMatchObject({ code: 0 });
  expect(unetIn("kills").equals(unetIn("alone"))).toBe(true);
  const samples = (out: string) => readdirSync(join(folder, out, "samples"));
  expect(samples("kills")).toEqual(samples("alone"));
});

test("scripts work from any folder, with paths from there, and npm's from where npm was called", async () => {
  const args = ["--model", relative(folder, tiny), "--prompts", relative(folder, prompts), "--resolution", "64"];
  const dry = (out: string, cwd: string, env = {}) =>
    library.start("sd/distill", [...args, "--dry-run", "--out", out], { cwd, env }).ended;
  expect(await dry("here", folder)).toMatchObject({ code: 0 });
  expect(existsSync(join(folder, "here"))).toBe(true);
  const npm = { INIT_CWD: folder, npm_lifecycle_event: "sd:distill" };
  expect(await dry("npm", resolve("."), npm)).toMatchObject({ code: 0 });
  expect(existsSync(join(folder, "npm"))).toBe(true);
  expect(await dry("~/at-home", folder, { HOME: folder })).toMatchObject({ code: 0 });
  expect(existsSync(join(folder, "at-home"))).toBe(true);
  expect(await dry("~ada/runs", folder)).toMatchObject({ code: 1 });
  expect(existsSync(join(folder, "~ada"))).toBe(false);
});

test.skipIf(process.platform === "win32")("a terminal of 0 or 20 columns shows how far the run is", () => {
  for (const columns of [0, 20]) {
    const command = library
      .command("sd/distill", ["--model", tiny, "--prompts", prompts, "--resolution", "64", "--batch", "2"])
      .concat(["--samples", "1", "--iterations", "2", "--out", join(folder, `columns-${columns}`)])
      .map((word) => `'${word}'`)
      .join(" ");
    const script = join(folder, `columns-${columns}.sh`);
    writeFileSync(script, `stty cols ${columns} rows 24 && exec ${command}\n`);
    const inTerminal = ["-q", "-e", "-c", `sh ${script}`, "/dev/null"];
    const { status, stdout } = spawnSync("script", inTerminal, { env: { ...library.env, TERM: "xterm" } });
    const text = String(stdout);
    expect(status, text).toBe(0);
    const lines = text
      .split("\r\x1b[2K")
      .slice(1)
      .map((line) => line.split("\r")[0]);
    expect(lines.length, text).toBe(2);
    for (const [i, line] of lines.entries()) expect(line).toContain(`${i + 1}/2`);
    if (columns === 20) expect(Math.max(...lines.map((line = "") => line.length))).toBeLessThan(20);
  }
});
