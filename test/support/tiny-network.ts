import { add, matMul, mul, type Tensor, tanh, tensor, type Variable } from "@tensorflow/tfjs-core";
import { type PredictionType, randomStream } from "../../src/core";
import { functionModel, type ScoreModel } from "../../src/models";
import { ddpmSchedule } from "../../src/schedules";
import type { TrainBatch } from "../../src/train";
import { weight } from "./weights";

/** Features of a sample and of its condition. */
export const features = 3;

/** `tanh(x·A + t/1000·b + c·C)·D + e`, small enough for every backend. */
export function tinyNetwork(name: string, seed: number, predicts: PredictionType = "eps"): ScoreModel {
  const stream = randomStream(seed);
  const hidden = 4;
  const draw = (part: string, rows: number, columns: number) =>
    weight(
      `${name}/${part}`,
      [...stream.normals(rows * columns)].map((x) => 0.5 * x),
      [rows, columns],
    );
  const [a, b, c, d, e] = [
    draw("a", features, hidden),
    draw("b", 1, hidden),
    draw("c", features, hidden),
    draw("d", hidden, features),
    draw("e", 1, features),
  ] as [Variable, Variable, Variable, Variable, Variable];
  return functionModel({
    name,
    predicts,
    schedule: ddpmSchedule(),
    variables: [a, b, c, d, e],
    predict(xt, t, cond) {
      const times = tensor(
        t.map((x) => x / 1000),
        [t.length, 1],
      );
      const inner = add(matMul(xt as never, a as never), mul(times, b));
      const all = cond ? add(inner, matMul(cond as never, c as never)) : inner;
      return add(matMul(tanh(all), d as never), e);
    },
  });
}

/** A batch for {@link tinyNetwork}; the caller owns its tensors. */
export function tinyBatch(seed: number, count: number, steps = 1): TrainBatch & { cond: Tensor; uncond: Tensor } {
  const stream = randomStream(seed);
  return {
    noises: Array.from({ length: steps }, () => stream.normal([count, features])),
    noise: stream.normal([count, features]),
    t: stream.integers(count, 200, 800),
    cond: stream.normal([count, features]),
    uncond: stream.normal([1, features]),
  };
}
