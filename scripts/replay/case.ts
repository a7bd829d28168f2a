import { type HostTensor, SidError, type Timesteps, type WeightMap } from "sid-lsg";
import { type FileTree, openSafetensors, readText } from "sid-lsg/io";

/** The settings of a recorded run, in this library's terms. */
export interface CaseSettings {
  readonly alpha: number;
  readonly kappaTrainFake: number;
  readonly kappaEvalFake: number;
  readonly kappaEvalReal: number;
  readonly tInit: number;
  readonly fakeLearningRate: number;
  readonly learningRate: number;
  readonly betas: readonly [number, number];
  readonly epsilon: number;
  readonly batch: number;
  readonly rounds: number;
  readonly fakeLossScale: number;
  readonly lossScale: number;
  readonly emaHalfLife: number;
  readonly emaRampUp: number | null;
}

/** A recorded run of the official PyTorch training loop. */
export interface ReplayCase {
  readonly unet: unknown;
  readonly scheduler: unknown;
  readonly settings: CaseSettings;
  readonly iterations: number;
  readonly losses: readonly { readonly fake: number; readonly generator: number }[];
  readonly teacher: WeightMap;
  readonly fakeScore: WeightMap;
  readonly generator: WeightMap;
  readonly inputs: WeightMap;
  readonly expected: WeightMap;
}

/** Reads a case folder. Throws SidError `io`, `corrupt-file` or `invalid-argument` naming what is amiss. */
export async function readCase(folder: FileTree): Promise<ReplayCase> {
  const json = record("case.json", await readJson(folder, "case.json"));
  const read = (name: string) => readTensors(folder, `${name}.safetensors`);
  const iterations = number(json, "iterations");
  const losses = json["losses"];
  if (!Array.isArray(losses) || losses.length < iterations)
    throw bad(`losses must have an entry for each of the ${iterations} iterations`);
  return {
    unet: record("unet", json["unet"]),
    scheduler: record("scheduler", json["scheduler"]),
    settings: settingsOf(record("hyperparameters", json["hyperparameters"])),
    iterations,
    losses: losses.slice(0, iterations).map((entry: unknown, i) => {
      const loss = record(`losses[${i}]`, entry);
      return { fake: number(loss, "fake_score_loss"), generator: number(loss, "generator_loss") };
    }),
    teacher: await read("teacher"),
    fakeScore: await read("fake_score"),
    generator: await read("generator"),
    inputs: await read("inputs"),
    expected: await read("expected"),
  };
}

function settingsOf(given: Readonly<Record<string, unknown>>): CaseSettings {
  const betas = given["betas"];
  if (!Array.isArray(betas) || betas.length !== 2) throw bad("hyperparameters.betas must be two numbers");
  return {
    alpha: number(given, "alpha"),
    kappaTrainFake: number(given, "cfg_train_fake"),
    kappaEvalFake: number(given, "cfg_eval_fake"),
    kappaEvalReal: number(given, "cfg_eval_real"),
    tInit: number(given, "init_timestep"),
    fakeLearningRate: number(given, "lr"),
    learningRate: number(given, "glr"),
    betas: [Number(betas[0]), Number(betas[1])],
    epsilon: number(given, "eps"),
    batch: number(given, "batch"),
    rounds: number(given, "accumulation_rounds"),
    fakeLossScale: number(given, "loss_scaling"),
    lossScale: number(given, "loss_scaling_G"),
    emaHalfLife: number(given, "ema_halflife_nimg"),
    emaRampUp: given["ema_rampup_ratio"] === null ? null : number(given, "ema_rampup_ratio"),
  };
}

/** The named tensor of a file, or an error that names it. */
export function found(file: string, tensors: WeightMap, name: string): HostTensor {
  const tensor = tensors.get(name);
  if (!tensor) throw new SidError("missing-weight", `replay: ${file}.safetensors has no tensor "${name}".`);
  return tensor;
}

/** A tensor of whole numbers, of any stored type. */
export function integers(x: HostTensor): Timesteps {
  return Array.from(x.data as ArrayLike<number | bigint>, Number);
}

/** Floating-point elements. */
export function floats(name: string, x: HostTensor): Float32Array {
  if (x.data instanceof Float32Array) return x.data;
  throw bad(`tensor "${name}" must be floating point, got ${x.dtype}`);
}

/** `[B, C, H, W]` elements as `[B, H, W, C]`. */
export function channelsLast(name: string, x: HostTensor): { shape: number[]; data: Float32Array } {
  if (x.shape.length !== 4) throw bad(`tensor "${name}" must be [B, C, H, W], got [${x.shape.join(", ")}]`);
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  const from = floats(name, x);
  const data = new Float32Array(from.length);
  const area = height * width;
  for (let b = 0; b < batch; b++)
    for (let c = 0; c < channels; c++)
      for (let i = 0; i < area; i++)
        data[(b * area + i) * channels + c] = from[(b * channels + c) * area + i] as number;
  return { shape: [batch, height, width, channels], data };
}

async function readJson(folder: FileTree, path: string): Promise<unknown> {
  const text = await readText(folder, path);
  try {
    return JSON.parse(text);
  } catch (cause) {
    const message = `replay: ${path} of ${folder.name} is not JSON: ${(cause as Error).message}.`;
    throw new SidError("corrupt-file", message, { cause });
  }
}

async function readTensors(folder: FileTree, path: string): Promise<WeightMap> {
  const source = await folder.open(path);
  if (!source) throw new SidError("io", `replay: ${folder.name} lacks the file ${path}.`);
  try {
    const file = await openSafetensors(source);
    const tensors = new Map<string, HostTensor>();
    for (const name of file.entries.keys()) tensors.set(name, await file.read(name));
    return tensors;
  } finally {
    await source.close();
  }
}

function record(name: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw bad(`${name} must be an object`);
}

function number(from: Readonly<Record<string, unknown>>, key: string): number {
  const value = from[key];
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw bad(`${key} must be a number, got ${JSON.stringify(value)}`);
}

function bad(what: string): SidError {
  return new SidError("invalid-argument", `replay: ${what}.`);
}
