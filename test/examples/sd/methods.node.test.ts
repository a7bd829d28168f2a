/** Every method of `sd:distill`, in this process: the tiny model, two iterations. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memory } from "@tensorflow/tfjs-core";
import { decode, encode } from "fast-png";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { methodFlags, methods } from "../../../examples/sd/methods";
import { helpWanted, parseDistillOptions } from "../../../examples/sd/options";
import { runDistillation } from "../../../examples/sd/run";
import { writeTinyModel } from "../../../examples/sd/tiny-model";
import { usageOf } from "../../../examples/sd/usage";
import { useBackend } from "../../../src/backends";
import { randomStream } from "../../../src/core";
import { readSafetensors } from "../../../src/io";

const home = mkdtempSync(join(tmpdir(), "sid-lsg-sd-methods-"));
const [tiny, pictures, prompts] = ["tiny", "pictures", "prompts.txt"].map((name) => join(home, name)) as [
  string,
  string,
  string,
];
const unetFile = join("unet", "diffusion_pytorch_model.safetensors");

beforeAll(async () => {
  await useBackend("wasm", { threads: 1 });
  await writeTinyModel(tiny, 0);
  writeFileSync(prompts, "a red fox\na blue boat\n");
  mkdirSync(pictures);
  const stream = randomStream(5);
  for (const [i, caption] of ["a red fox", "a blue boat", "a cat", "a house in the snow"].entries()) {
    const data = Uint8Array.from(stream.uniform(64 * 64 * 3), (u) => 256 * u);
    writeFileSync(join(pictures, `${i}.png`), encode({ width: 64, height: 64, channels: 3, data }));
    writeFileSync(join(pictures, `${i}.txt`), caption);
  }
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

const parse = (...args: string[]) => parseDistillOptions(["--model", tiny, "--prompts", prompts, ...args]);

/** What a short run printed, its log, and its checkpoint. */
async function distilled(out: string, args: readonly string[]) {
  const folder = join(home, out);
  const said: string[] = [];
  const log = vi.spyOn(console, "log").mockImplementation((line: unknown) => void said.push(String(line)));
  const before = memory().numTensors;
  try {
    // The gauge is silent below eight samples.
    const short = ["--out", folder, "--iterations", "2", "--batch", "8", "--resolution", "64", "--samples", "1"];
    await runDistillation(parse(...short, "--lr", "1e-3", ...args));
  } finally {
    log.mockRestore();
  }
  expect(memory().numTensors, "leaked tensors").toBe(before);
  const lines = readFileSync(join(folder, "log.jsonl"), "utf8").trim().split("\n");
  const { tensors, metadata } = await readSafetensors(join(folder, "checkpoint.safetensors"));
  return {
    folder,
    text: said.join("\n"),
    log: lines.map((line) => JSON.parse(line) as Record<string, number>),
    run: JSON.parse(metadata["run"] as string) as Record<string, string>,
    names: [...tensors.keys()],
  };
}

const real = ["--images", pictures];
/** What each method needs beside prompts, and to begin at once. */
const needs: Readonly<Record<string, readonly string[]>> = {
  sida: [...real, "--starts-at", "0", "--adversarial-starts-at", "0"],
  "f-distill": real,
  lcm: real,
};
const adversarial = ["--adversarial", ...real];
const runs: readonly (readonly [string, readonly string[]])[] = [
  ...Object.keys(methods).map((name) => [name, needs[name] ?? []] as const),
  ["dmd2", adversarial],
  ["swift-brush", ["--lora-rank", "2"]],
];

/** Methods that do not ask teacher and fake score at one noisy sample of the generator. */
const gaugeless = ["sds", "csd", "lcm", "tdm"];

describe("every method trains the tiny model for two iterations", () => {
  test.each(runs)("%s %j", async (name, args) => {
    const few = Number(methods[name]?.make({}).settings["fakeUpdates"]) > 2;
    const out = `${name}-${args.length}`;
    const { folder, text, log, run, names } = await distilled(out, [
      ...["--method", name, ...args],
      ...(few ? ["--fake-updates", "2"] : []),
    ]);
    const method = parse("--method", name, ...args).method;
    expect(text).toContain(`Method: ${name} (`);
    expect(run["method.name"]).toBe(method.name);
    expect(log.map(({ iteration }) => iteration)).toEqual([1, 2]);
    for (const line of log) {
      const { divergence, ...figures } = line;
      expect(Object.values(figures).every(Number.isFinite)).toBe(true);
      expect(divergence !== undefined).toBe(!gaugeless.includes(name));
      expect(line["droppedSamples"]).toBe(0);
      expect((line["fakeGradientNorm"] as number) > 0).toBe(method.fakeScore !== undefined);
    }
    // SwiftBrush guides both networks alike, and the generator comes first, when they are equal.
    expect(log.map((line) => (line["generatorGradientNorm"] as number) > 0)).toEqual([name !== "swift-brush", true]);
    // Two equal networks are no distance apart; after an update they are.
    expect((log[1]?.["deltaSquared"] as number) > 0).toBe(method.fakeScore !== undefined);
    expect(names.some((key) => key.startsWith("fakeScore."))).toBe(method.fakeScore !== undefined);
    expect(names.some((key) => key.startsWith("discriminator."))).toBe(
      (name === "dmd2" && args.length > 0) || name === "f-distill",
    );
    expect(/Networks: .*discriminator/.test(text)).toBe(method.fakeScore?.discriminator !== undefined);
    expect(/KL\(generator ‖ teacher\) ≥ .* nats/.test(text)).toBe(!gaugeless.includes(name));
    expect(/Networks: .*fake score/.test(text)).toBe(method.fakeScore !== undefined);

    const weights = async (model: string) =>
      (await readSafetensors(join(model, unetFile))).tensors.get("conv_in.weight")?.data;
    expect(await weights(join(folder, "generator"))).not.toEqual(await weights(tiny));
    const picture = decode(readFileSync(join(folder, "samples", "000002.png")));
    expect([picture.width, picture.height]).toEqual([64, 64]);
    expect(new Set(picture.data).size).toBeGreaterThan(10);
  });
});

test("a run is not resumed by another method, and both are named", async () => {
  await expect(
    runDistillation(parse("--method", "dmd2", "--out", join(home, "sds-0"), "--resume", "--resolution", "64")),
  ).rejects.toThrow(/^--resume: the run in .*sds-0 is of the method sds, this one of dmd2; give --method sds/);
});

test("images of a run are those that it is resumed with", async () => {
  const other = join(home, "other");
  cpSync(pictures, other, { recursive: true });
  writeFileSync(join(other, "0.txt"), "another caption");
  const args = ["--method", "lcm", "--iterations", "3", "--batch", "8", "--resolution", "64", "--samples", "1"];
  const resume = ["--lr", "1e-3", "--images", other, "--out", join(home, "lcm-2"), "--resume"];
  vi.spyOn(console, "log").mockImplementation(() => {});
  await expect(runDistillation(parse(...args, ...resume))).rejects.toThrow(/another run, which differs in images \(/);
  vi.restoreAllMocks();
});

test("without a fake score there is none in memory, and an adapter in its place is small", async () => {
  const weightsOf = async (...args: string[]) => {
    const lines: string[] = [];
    vi.spyOn(console, "log").mockImplementation((line: unknown) => void lines.push(String(line)));
    const out = join(home, `dry-${args.join("")}`);
    await runDistillation(parse("--dry-run", "--out", out, "--resolution", "64", "--ema-half-life", "0", ...args));
    vi.restoreAllMocks();
    return Number(/([\d.]+) MB of it U-Nets/.exec(lines.join("\n"))?.[1]);
  };
  const [three, two, adapter] = [
    await weightsOf("--method", "vsd"),
    await weightsOf("--method", "sds"),
    await weightsOf("--method", "vsd", "--lora-rank", "1"),
  ];
  expect(three / two).toBeCloseTo(1.5, 1);
  expect(adapter / two).toBeGreaterThan(1);
  expect(adapter / two).toBeLessThan(1.1);
});

test.each([
  [["--method", "dmd3"], '--method: there is no "dmd3"; did you mean dmd? There are sid-lsg, sid,'],
  [["--method", "sidLsg"], "did you mean sid-lsg?"],
  [["--method", "toString"], '--method: there is no "toString";'],
  [["--method", "lcm"], "The method lcm learns from real images: --images must name a folder"],
  [["--method", "sida"], "The method sida has a discriminator, which learns from real images: --images must name"],
  [["--method", "dmd2", "--adversarial"], "The method dmd2 has a discriminator, which learns from real images"],
  [["--method", "sds", "--images", "x"], "--images: the method sds learns from prompts alone"],
  [["--method", "dmd2", "--alpha", "1"], "--alpha: the method dmd2 has no such option; sid-lsg, sid, few-step-sid,"],
  [["--divergence", "hellinger"], "--divergence: the method sid-lsg has no such option; f-distill has it."],
  [["--method", "sds", "--fake-updates", "2"], "--fake-updates: the method sds has no such option;"],
  [["--method", "csd", "--kappa", "2"], "--kappa: the method csd has no such option;"],
  [["--method", "dmd2", "--adversarial", "--t-min", "981"], "--t-max must be above --t-min, got 981 and 981."],
  [["--guidance", "short", "--kappa", "1"], "kappa must lie strictly between 0 and 1, got 1"],
  [["--method", "few-step-sid", "--guidance", "anti-cfg"], "--guidance anti-cfg needs its scale, --kappa."],
  [["--method", "few-step-sid", "--kappa=-1"], "--kappa: the guidance zero-cfg has no scale"],
  [["--method", "f-distill", ...["--divergence", "kl"]], "--divergence must be reverse-kl, forward-kl,"],
  [["--method", "dmd2", "--weight", "most"], "dmd2: weight must be one of"],
  [["--method", "dmd2", "--fake-updates", "0"], "--fake-updates must be a number of at least 1"],
  [
    ["--method", "lcm", "--kappa-min", "9", "--kappa-max", "8"],
    "--kappa-min must be at most --kappa-max, got 9 and 8.",
  ],
  [["--method", "lcm", "--kappa", "9", "--kappa-max", "8"], "they do not go together"],
  [["--method", "lcm", "--images", "x", "--ema-half-life", "0"], "--ema-half-life: lcm compares the generator with"],
  [["--method", "sds", "--lora-rank", "2", "--lora-networks", "fake-score"], "the method sds has no fake score"],
  [["--method", "dmd2", "--discriminator-reads", "teacher"], "--discriminator-reads: the method dmd2 has no discr"],
  [["--method", "vsd", "--lora-rank", "2", "--lora-output", "both"], "leaves the generator a whole network"],
])("%j are refused: %s", (args, message) => {
  expect(() => parse(...args)).toThrow(message);
});

test("a method's defaults are its own, in the run and in the help", () => {
  expect(parse("--method", "tdm")).toMatchObject({
    generator: { tInit: 999, steps: 4, gradientThrough: "last" },
    recipe: { learningRate: 4e-6, fakeLearningRate: 2e-5, adam: { beta1: 0, beta2: 0.95 } },
    method: { settings: { guidanceScale: 4.5, distance: { huber: 1e-3 } } },
  });
  expect(parse("--method", "sid-dit")).toMatchObject({ emaHalfLife: 0, recipe: { batch: 256, learningRate: 5e-6 } });
  expect(parse("--method", "dmd2", ...adversarial)).toMatchObject({
    discriminator: "fake-score",
    recipe: { learningRate: 5e-7 },
    method: { settings: { adversarialWeight: 1e-3 } },
  });
  expect(parse("--method", "tdm", "--huber", "0").method.settings["distance"]).toBe("squared");
  expect(parse("--method", "sim", "--huber", "0.5").method.settings["distance"]).toEqual({ huber: 0.5 });
  // 0.95 of the old average stay, whatever the batch.
  const lcm = parse("--method", "lcm", ...real, "--batch", "1000", "--kappa", "8");
  expect(0.5 ** (1000 / lcm.emaHalfLife)).toBeCloseTo(0.95, 4);
  expect(lcm).toMatchObject({ emaRamp: null, method: { settings: { guidanceScales: [8, 8] } } });
  const law = (...args: string[]) =>
    parse(...args).method.fakeScore?.timesteps(randomStream(0), 99, undefined as never);
  expect(Math.max(...(law("--t-max", "100") ?? []))).toBeLessThan(100);

  expect(helpWanted(["--method", "dmd2"])).toBeUndefined();
  expect(helpWanted(["--help"])).toBe("sid-lsg");
  expect(() => helpWanted(["--help", "--method", "x"])).toThrow("--method");
  const help = usageOf(helpWanted(["--help", "--method", "swift-brush"]) as string);
  expect(help).toMatch(/--kappa K +of the teacher.* \(4\.5\)/);
  expect(help).toContain("step sizes of generator and fake score (0.000001; 0.001)");
  for (const name of Object.keys(methods)) {
    expect(help).toContain(`    ${name} `);
    expect(usageOf(name)).not.toMatch(/undefined|NaN|\[object/);
  }
  expect(Object.keys(methodFlags).length).toBeGreaterThan(20);
  expect(existsSync(join(home, "nowhere"))).toBe(false);
});
