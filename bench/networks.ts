import { ddpmSchedule, generatorFrom, lsg, type Method, randomStream, sidLsg } from "sid-lsg";
import type { Reducer } from "sid-lsg/distributed";
import { parseUnetConfig, unet } from "sid-lsg/models";
import { type ConditionSource, type DistillMetrics, distill } from "sid-lsg/train";
import shapes from "./networks.json" with { type: "json" };

/** A network and a batch to measure with; the peers read the same file. */
export interface Shape {
  readonly unet: Readonly<Record<string, unknown>>;
  /** Height and width, in pixels. */
  readonly size: number;
  readonly batch: number;
  /** Tokens of the condition. */
  readonly tokens: number;
}

export type ShapeName = keyof typeof shapes;

/** `middle`, `digits`, `emoji`, and `large`: Stable Diffusion's plan with 53 million weights. */
export const shapeOf = (name: ShapeName): Shape => shapes[name];

/** Whole SiD-LSG iterations of a random network: each `next()` is one. */
export interface Iterations {
  next(): Promise<DistillMetrics>;
  /** Frees everything. */
  end(): Promise<void>;
}

/**
 * Opens a distillation that never ends: LSG at κ = 1.5, two passes per guided evaluation, the joint tape, as in
 * the official loop, with random text of a fixed length.
 */
export function iterations(
  { unet: json, size, batch, tokens }: Shape,
  backward: "joint" | "staged" = "joint",
  method: Method = sidLsg({ guidance: lsg(1.5) }),
  distributed?: Reducer,
): Iterations & { readonly weights: number } {
  const config = parseUnetConfig(json);
  const schedule = ddpmSchedule();
  const network = (name: string) =>
    unet(config, { name: `bench/${name}`, schedule, predicts: "eps", weights: randomStream(1) });
  const [teacher, fakeScore, student] = [network("teacher"), network("fake"), network("generator")];
  const text = (count: number) => randomStream(2).normal([count, tokens, config.crossAttentionDim]);
  const conditions: ConditionSource = { sample: (_, count) => text(count), unconditional: () => text(1) };
  const run = distill({
    teacher,
    fakeScore,
    generator: generatorFrom(student),
    conditions,
    method,
    backward,
    sampleShape: [size, size, config.inChannels],
    batch,
    iterations: Number.MAX_SAFE_INTEGER,
    checkTeacher: false,
    distributed,
  })[Symbol.asyncIterator]();
  return {
    weights: student.variables.reduce((sum, { size }) => sum + size, 0),
    async next() {
      const { value } = await run.next();
      return value as DistillMetrics;
    },
    async end() {
      await run.return();
      for (const model of [teacher, fakeScore, student]) model.dispose();
    },
  };
}
