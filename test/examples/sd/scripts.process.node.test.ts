import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { decode } from "fast-png";
import { afterAll, expect, test } from "vitest";
import { parseGenerateOptions } from "../../../examples/sd/generate-options";
import { arrange } from "../../../examples/sd/grid";
import { parseDistillOptions } from "../../../examples/sd/options";
import { checkRoom } from "../../../examples/sd/space";
import { readSafetensors, writeSafetensors } from "../../../src/io";
import { prepareScripts } from "../../support/sd-scripts";

const { folder, tiny, run, distill, remove } = await prepareScripts("sd-examples");

const unetFile = join("unet", "diffusion_pytorch_model.safetensors");
const generatorIn = (out: string) => join(folder, out, "generator");

/** A copy of the tiny model with one file changed. */
function changed(name: string, file: string, change: (text: string) => string): string {
  const copy = join(folder, name);
  cpSync(tiny, copy, { recursive: true });
  writeFileSync(join(copy, file), change(readFileSync(join(copy, file), "utf8")));
  return copy;
}

afterAll(remove);

test("a run that Ctrl-C stopped and --resume finished ends like one that was left alone", async () => {
  const recipe = ["--iterations", "3", "--snapshot-every", "2", "--ema-ramp", "100"];
  const [whole, stopped] = await Promise.all([distill("whole", recipe), distill("cut", recipe, / 1\/3 /)]);
  expect(whole).toMatchObject({ code: 0, text: expect.stringContaining("The generator is in") });
  expect(stopped).toMatchObject({
    code: 0,
    text: expect.stringMatching(/^Stopped; the run is saved at iteration [12]\./m),
  });
  expect(existsSync(generatorIn("cut"))).toBe(false);
  // What a run leaves that is killed after its checkpoint.
  appendFileSync(join(folder, "cut", "log.jsonl"), '{"iteration":3,"fakeLoss":0}\n{"iterat');

  const other = distill("cut", ["--iterations", "3", "--resume", "--alpha", "0.5"]);
  expect(await other).toMatchObject({ code: 1, text: expect.stringMatching(/another run, which differs in .*alpha/) });
  const edited = join(folder, "edited.txt");
  writeFileSync(edited, "a red fox\na blue boat\npainting of a dog in the snow\n");
  expect(await distill("cut", [...recipe, "--resume", "--prompts", edited])).toMatchObject({
    code: 1,
    text: expect.stringMatching(/another run, which differs in conditions\.name \(checkpoint 3 prompts text, /),
  });

  const resumed = await distill("cut", [...recipe, "--resume"]);
  expect(resumed).toMatchObject({ code: 0, text: expect.not.stringContaining(" 1/3 ") });
  for (const file of [unetFile, join("text_encoder", "model.safetensors")])
    expect(readFileSync(join(generatorIn("cut"), file)).equals(readFileSync(join(generatorIn("whole"), file)))).toBe(
      true,
    );
  expect(readFileSync(join(generatorIn("whole"), unetFile)).equals(readFileSync(join(tiny, unetFile)))).toBe(false);

  const { tensors, metadata } = await readSafetensors(join(folder, "whole", "checkpoint.safetensors"));
  expect(JSON.parse(metadata["run"] as string)).toMatchObject({
    batch: "2",
    accumulationRounds: "2",
    "ema.rampUp": "100",
  });
  // The result is the average, not what it follows. Sorted, since the file has another layout.
  const sorted = (from: typeof tensors, name: string) => from.get(name)?.data.toSorted();
  const result = sorted((await readSafetensors(join(generatorIn("whole"), unetFile))).tensors, "conv_in.weight");
  expect(result).toEqual(sorted(tensors, "ema.0"));
  expect(result).not.toEqual(sorted(tensors, "generator.0"));

  const [log, wholeLog] = ["cut", "whole"].map((out) =>
    readFileSync(join(folder, out, "log.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)),
  ) as [Record<string, number>[], Record<string, number>[]];
  const figures = (entries: Record<string, number>[]) => entries.map(({ seconds, peakMemory, ...rest }) => rest);
  expect(figures(log)).toEqual(figures(wholeLog));
  expect(log.map(({ iteration }) => iteration)).toEqual([1, 2, 3]);
  expect(log.every(({ peakMemory = 0, deltaSquared = 0 }) => peakMemory > 1e7 && deltaSquared > 0)).toBe(true);
  expect(readdirSync(join(folder, "whole", "samples")).sort()).toEqual(["000000.png", "000002.png", "000003.png"]);
  expect(decode(readFileSync(join(folder, "whole", "samples", "000003.png")))).toMatchObject({
    width: 130,
    height: 64,
  });
});

test("adapters: their file on the teacher and the merged folder draw the same", async () => {
  const memory = ["--gradient-checkpointing", "--attention-slice", "16", "--backward", "joint"];
  const recipe = [
    "--iterations",
    "1",
    "--lora-rank",
    "2",
    "--lora-alpha",
    "8",
    "--t-max",
    "400",
    "--micro-batch",
    "2",
    "--steps",
    "2",
    "--guidance",
    "long",
    "--ema-half-life",
    "0",
    "--lr",
    "0.05",
  ];
  expect(await distill("lora", [...memory, ...recipe])).toMatchObject({ code: 0 });
  const settings = { tInit: 625, steps: 2, gradientThrough: "all" };
  for (const place of [generatorIn("lora"), join(folder, "lora", "adapter")])
    expect(JSON.parse(readFileSync(join(place, "sid-lsg.json"), "utf8"))).toEqual(settings);
  const saved = await readSafetensors(join(folder, "lora", "checkpoint.safetensors"));
  const ran = JSON.parse(saved.metadata["run"] as string);
  expect(ran).toMatchObject({ ema: "none", accumulationRounds: "1", backward: "joint" });
  expect(Math.max(...JSON.parse(ran.timesteps))).toBeLessThan(400);
  const file = join(folder, "lora", "adapter", "pytorch_lora_weights.safetensors");
  expect(JSON.parse((await readSafetensors(file)).metadata["lora_adapter_metadata"] as string)).toMatchObject({
    "unet.r": 2,
    "unet.lora_alpha": 8,
  });
  const draw = async (out: string, args: readonly string[]) => {
    const path = join(folder, out);
    const what = ["--prompt", "a red fox", "--seeds", "3,4", "--resolution", "64", "--out", path];
    expect(await run("generate", [...what, ...args])).toMatchObject({ code: 0 });
    const files = ["0001-seed3-a-red-fox.png", "0001-seed4-a-red-fox.png", "grid.png", "pictures.json"];
    expect(readdirSync(path).sort()).toEqual(files);
    const [one, other] = files.map((name) => readFileSync(join(path, name))) as [Buffer, Buffer];
    expect(one.equals(other)).toBe(false);
    return decode(readFileSync(join(path, "grid.png")));
  };
  const scheduler = join("scheduler", "scheduler_config.json");
  const early = changed("early", scheduler, (text) =>
    JSON.stringify({ ...JSON.parse(text), timestep_spacing: "trailing" }),
  );
  const [adapted, merged, teacher, once, unguided, shifted] = await Promise.all([
    draw("adapted", ["--model", tiny, "--adapter", join(folder, "lora", "adapter")]),
    draw("merged", ["--model", generatorIn("lora")]),
    draw("teacher", ["--model", tiny, "--ddim", "2"]),
    draw("once", ["--model", generatorIn("lora"), "--steps", "1"]),
    draw("unguided", ["--model", tiny, "--ddim", "2", "--guidance-scale", "1"]),
    draw("shifted", ["--model", early, "--ddim", "2"]),
  ]);
  const apart = (a: typeof merged, b = merged) =>
    Array.from(a.data).reduce((most, x, i) => Math.max(most, Math.abs(x - (b.data[i] ?? 0))), 0);
  expect(adapted.width).toBe(130);
  expect(apart(adapted)).toBeLessThanOrEqual(1);
  expect(apart(teacher)).toBeGreaterThan(20);
  expect(apart(once)).toBeGreaterThan(5);
  expect(apart(unguided, teacher)).toBeGreaterThan(0);
  expect(apart(shifted, teacher)).toBeGreaterThan(5);
});

test("a job of pictures that Ctrl-C stopped goes on where it was", async () => {
  const captions = join(folder, "captions.json");
  const annotations = Array.from({ length: 60 }, (_, i) => ({ image_id: i, caption: `a red fox in the snow, ${i}` }));
  writeFileSync(captions, JSON.stringify({ images: [], annotations }));
  const what = ["--model", tiny, "--prompts", captions, "--seed-per-prompt", "--resolution", "64", "--batch", "2"];
  const [whole, stopped] = ["pictures", "stopped"].map((out) => join(folder, out)) as [string, string];
  const [all, some] = await Promise.all([
    run("generate", [...what, "--out", whole]),
    run("generate", [...what, "--out", stopped], /^drawing .* 12\/60 /),
  ]);
  expect(all).toMatchObject({ code: 0, text: expect.stringMatching(/^60 pictures are in /m) });
  expect(all.text).toContain(
    "60 prompts, read as a JSON document, annotations[].caption:\n  1. a red fox in the snow, 0\n",
  );
  expect(some).toMatchObject({
    code: 0,
    text: expect.stringMatching(/^Stopped; \d+ of 60 pictures are in .* Go on with --skip-existing/m),
  });
  const found = readdirSync(stopped).filter((name) => name.endsWith(".png"));
  expect(found.length).toBeGreaterThan(8);
  expect(found.length).toBeLessThan(60);
  for (const name of found)
    expect(readFileSync(join(stopped, name)).equals(readFileSync(join(whole, name)))).toBe(true);
  const rest = await run("generate", [...what, "--out", stopped, "--skip-existing"]);
  expect(rest.text).toContain(`${found.length} of 60 pictures are there and stay.`);
  expect(readdirSync(stopped)).toEqual(readdirSync(whole));
  for (const name of readdirSync(whole))
    expect(readFileSync(join(stopped, name)).equals(readFileSync(join(whole, name)))).toBe(true);
});

test("an evaluation that Ctrl-C stopped and --resume finished ends like one that was left alone", async () => {
  const captions = join(folder, "evaluated.txt");
  writeFileSync(captions, Array.from({ length: 60 }, (_, i) => `a red fox, number ${i}\n`).join(""));
  const clip = join(folder, "clip");
  expect(await run("make-tiny-model", ["--clip", "--out", clip])).toMatchObject({ code: 0 });
  const what = ["--model", tiny, "--prompts", captions, "--resolution", "64", "--network", clip, "--clip", clip];
  const evaluated = (out: string, args: readonly string[] = [], at?: RegExp) =>
    run("evaluate", [...what, "--out", join(folder, out), ...args], at);
  const [all, some] = await Promise.all([evaluated("evaluated"), evaluated("cut-short", [], /^drawing .* 12\/60 /)]);
  expect(all).toMatchObject({ code: 0, text: expect.stringMatching(/^CLIP score +-?0\.\d{4} +mean cosine/m) });
  expect(some).toMatchObject({
    code: 0,
    text: expect.stringMatching(/^Stopped; \d+ of 60 pictures are evaluated in .* Go on with --resume/m),
  });
  expect(await evaluated("cut-short", ["--resume"])).toMatchObject({ code: 0 });
  for (const name of ["features.f32", "images.f32", "texts.f32", "evaluation.json", "set.json"])
    expect(readFileSync(join(folder, "cut-short", name)).equals(readFileSync(join(folder, "evaluated", name)))).toBe(
      true,
    );
  expect(await run("evaluate", ["--help"])).toMatchObject({ code: 0, text: expect.stringContaining("--shard I/N") });
});

test("an adapter from elsewhere becomes part of the model that is distilled", async () => {
  const numbers = (...shape: number[]) => {
    const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i));
    return { dtype: "F32", shape, data } as const;
  };
  const [down, up] = [numbers(2, 32, 3, 3), numbers(4, 2, 1, 1)];
  mkdirSync(join(folder, "style"));
  const style = join(folder, "style", "style.safetensors");
  const stem = "lora_unet_conv_out";
  const alpha = { dtype: "F32", shape: [], data: new Float32Array([0.5]) } as const;
  const tensors = { [`${stem}.lora_down.weight`]: down, [`${stem}.lora_up.weight`]: up, [`${stem}.alpha`]: alpha };
  await writeSafetensors(style, new Map(Object.entries(tensors)));
  const weightIn = async (model: string) => {
    const { tensors } = await readSafetensors(join(model, unetFile));
    return tensors.get("conv_out.weight")?.data as Float32Array;
  };
  const before = await weightIn(tiny);
  const wanted = before.map((x, i) => {
    const [row, place] = [Math.floor(i / 288), i % 288];
    const product = (r: number) => (up.data[2 * row + r] as number) * (down.data[288 * r + place] as number);
    return x + 0.25 * (product(0) + product(1));
  });
  const styled = async (out: string, args: readonly string[]) => {
    const options = ["--iterations", "1", "--lr", "1e-9", "--adapter", join(folder, "style"), ...args];
    expect(await distill(out, options)).toMatchObject({ code: 0 });
    const after = await weightIn(generatorIn(out));
    expect(Math.max(...after.map((x, i) => Math.abs(x - (wanted[i] as number))))).toBeLessThan(1e-5);
    expect(Math.max(...after.map((x, i) => Math.abs(x - (before[i] as number))))).toBeGreaterThan(0.01);
  };
  await Promise.all([styled("styled", []), styled("styled-lora", ["--lora-rank", "1"])]);
});

test("a dry run checks and trains nothing; prompts that are too long are cut with a warning", async () => {
  const long = join(folder, "long.txt");
  writeFileSync(long, `${"fox ".repeat(80)}\na cat\n`);
  const { code, text } = await distill("dry", ["--dry-run", "--prompts", long]);
  expect(text).toMatch(/has 82 tokens and is cut to 77/);
  expect(text).toContain("1 of 2 prompts are too long and cut.");
  expect(text).toMatch(/^Memory: about \d+\.\d MB at most, \d+\.\d MB of it U-Nets/m);
  expect(text).toMatch(/A dry run: 2 prompts, all checks passed/);
  expect(code).toBe(0);
  expect(readdirSync(join(folder, "dry"), { recursive: true })).toEqual(["samples"]);
});

test("bad models are refused by name before anything is trained", async () => {
  const json = (edit: object) => (text: string) => JSON.stringify({ ...JSON.parse(text), ...edit });
  const lacking = changed("lacking", "model_index.json", (text) => text);
  rmSync(join(lacking, "vae", "diffusion_pytorch_model.safetensors"));
  const spoilt = changed("spoilt", "model_index.json", (text) => text);
  const { tensors, metadata } = await readSafetensors(join(spoilt, unetFile));
  (tensors.get("conv_in.weight")?.data as Float32Array)[5] = Number.NaN;
  await writeSafetensors(join(spoilt, unetFile), tensors, metadata);
  const scheduler = "scheduler/scheduler_config.json";
  const cases: readonly [string, RegExp][] = [
    [lacking, /vae\/diffusion_pytorch_model\.safetensors/],
    [spoilt, /unet: weight "conv_in\.weight" holds NaN/],
    [
      changed("velocity", scheduler, json({ prediction_type: "v_prediction" })),
      /the teacher declares "v", but its output/,
    ],
    [
      changed("wide", "text_encoder/config.json", json({ hidden_size: 64 })),
      /cross_attention_dim must be .* 32 and 64/,
    ],
    [changed("deep", "vae/config.json", json({ latent_channels: 8 })), /the U-Net's in_channels must be .* 4 and 8/],
    [
      changed("terse", "text_encoder/config.json", json({ vocab_size: 9, bos_token_id: 7, eos_token_id: 8 })),
      /the text encoder takes 77 of 9/,
    ],
  ];
  const check = async ([model, message]: readonly [string, RegExp], i: number) => {
    const { code, text } = await distill(`bad${i}`, ["--model", model]);
    expect(text).toMatch(message);
    expect(text).not.toMatch(/^ +at /m);
    expect(code).toBe(1);
    expect(existsSync(join(folder, `bad${i}`, "log.jsonl"))).toBe(false);
  };
  await Promise.all(cases.map(check));
});

test("an empty prompts file, a taken folder and times that the model lacks are refused", async () => {
  const empty = join(folder, "empty.txt");
  writeFileSync(empty, "\n \n");
  expect(await distill("bad", ["--prompts", empty])).toMatchObject({
    code: 1,
    text: expect.stringContaining("holds no prompts"),
  });
  expect(await run("make-tiny-model", ["--out", tiny])).toMatchObject({
    code: 1,
    text: expect.stringContaining("empty folder"),
  });
  const taken = join(folder, "taken");
  mkdirSync(taken);
  writeFileSync(join(taken, "checkpoint.safetensors"), "days of work");
  expect(await distill("taken")).toMatchObject({ code: 1, text: expect.stringContaining("holds a run already") });
  expect(readdirSync(taken)).toEqual(["checkpoint.safetensors"]);
  for (const [args, message] of [
    [["--t-max", "1001"], "--t-max is at most 1000"],
    [["--t-init", "1000"], "--t-init must be below 1000"],
    [["--resolution", "8192"], "The wasm backend holds at most 4.29 GB."],
  ] as const)
    expect(await distill("nowhere", [...args, "--dry-run"])).toMatchObject({
      code: 1,
      text: expect.stringContaining(message),
    });
  const spoilt = changed("spoilt-settings", "model_index.json", (text) => text);
  writeFileSync(join(spoilt, "sid-lsg.json"), "null");
  expect(await run("generate", ["--model", spoilt, "--prompt", "a cat", "--out", taken])).toMatchObject({
    code: 1,
    text: expect.stringMatching(/sid-lsg\.json must be as sd:distill wrote it/),
  });
  const resume = await distill("nowhere", ["--resume"]);
  expect(resume).toMatchObject({ code: 1, text: expect.stringContaining("There is nothing to resume") });
});

test("pictures stand in rows from the top, white between them", () => {
  const dot = (level: number) => ({ width: 1, height: 1, data: Uint8Array.of(level, level, level) });
  const { width, height, data } = arrange([1, 2, 3].map(dot), 2);
  expect([width, height]).toEqual([4, 4]);
  const at = (row: number, column: number) => data[(row * width + column) * 3];
  expect([at(0, 0), at(0, 3), at(3, 0), at(3, 3), at(1, 1)]).toEqual([1, 2, 3, 255, 255]);
});

test("a disk without room is named", () => {
  expect(() => checkRoom("out", 3e9, 2e9)).toThrow("--out out: the run writes 3.00 GB");
  expect(() => checkRoom("out", 2e9, 2e9)).not.toThrow();
});

test.each([
  [["--resolution", "100"], "--resolution must be a multiple of 64, got 100."],
  [["--micro-batch", "3"], "--micro-batch must divide the batch of 512, got 3."],
  [["--t-min", "980"], "--t-max must be above --t-min, got 980 and 980."],
  [["--lora-alpha", "4"], "--lora-alpha needs --lora-rank."],
  [["--adapter", "x", "--lora-rank", "2", "--lora-output", "both"], "only --lora-output merged goes with it"],
  [["--adapter", ""], "--adapter must name a file or folder"],
  [["--lr", "0"], "--lr must be above 0"],
  [["--beta2", "1"], "--beta2 must be below 1"],
  [["--context-dropout", "2"], "--context-dropout is at most 1"],
  [["--kappa", "x"], '--kappa must be a number, got "x".'],
  [["--guidance", "most"], "--guidance must be lsg, none, long, short, zero-cfg or anti-cfg"],
  [["--guidance", "long", "--kappa", "0.5"], "longGuidance"],
  [["--resume", "--dry-run"], "--resume and --dry-run do not go together."],
  [["--resume-if-present", "--dry-run"], "--resume-if-present and --dry-run do not go together."],
  [["--resume", "--resume-if-present"], "--resume and --resume-if-present do not go together."],
])("options %j are refused: %s", (args, message) => {
  expect(() => parseDistillOptions(["--model", "m", "--prompts", "p", ...args])).toThrow(message);
});

test("the recipe is that of the paper unless options say otherwise", () => {
  const parse = (...args: string[]) => parseDistillOptions(["--model", "m", "--prompts", "p", ...args]);
  expect(parse()).toMatchObject({
    ...{ tMax: 980, microBatch: 1, emaHalfLife: 50_000, emaRamp: 0.05, resolution: 512 },
    generator: { tInit: 625, steps: 1 },
    method: { name: "sidLsg", settings: { alpha: 1, weight: "l1", contextDropout: 0.1 } },
    recipe: { batch: 512, learningRate: 1e-6, fakeLearningRate: 1e-6, adam: { beta1: 0, beta2: 0.999, epsilon: 1e-8 } },
  });
  expect(parse("--kappa=2", "--kappa4", "3", "--kappa2=1")?.method.settings["guidance"]).toEqual({
    kappa1: 2,
    kappa2: 1,
    kappa4: 3,
  });
  expect(parse("--guidance", "zero-cfg")?.method.settings["guidance"]).toEqual({ kappa1: 0, kappa2: 0, kappa4: 1 });
  expect(parse("--lora-rank", "8")?.lora).toEqual({ rank: 8, alpha: 8, output: "both", networks: "both" });
  expect(parse("--lr", "1e-3")?.recipe).toMatchObject({ learningRate: 1e-3, fakeLearningRate: 1e-3 });
  expect(parse("--fake-lr", "1e-3", "--loss-scale", "2", "--fake-loss-scale", "3")).toMatchObject({
    recipe: { learningRate: 1e-6, fakeLearningRate: 1e-3 },
    method: { generator: { lossScale: 2 }, fakeScore: { lossScale: 3 } },
  });
  expect([parse(), parse("--resume"), parse("--resume-if-present")].map(({ resume }) => resume)).toEqual([
    false,
    true,
    "if-present",
  ]);
  expect(() => parseDistillOptions([])).toThrow("--prompts");
  expect(() => parseGenerateOptions(["--model", "m"])).toThrow("wanted one of --prompt TEXT and --prompts FILE");
  expect(() => parseGenerateOptions(["--prompt", "p", "--guidance-scale", "2"])).toThrow("needs --ddim");
});
