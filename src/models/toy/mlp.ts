import { concat, type Tensor } from "@tensorflow/tfjs-core";
import { checkInteger, checkObject, describe, showShape } from "../../core/checks";
import { SidError } from "../../core/errors";
import type { Timesteps } from "../../core/per-sample";
import type { PredictionName } from "../../core/prediction-type";
import { checkBatch } from "../../core/tensor-checks";
import type { NoiseSchedule } from "../../schedules/types";
import { checkDeclaration, declared, functionModel } from "../adapters";
import { silu } from "../nn/activations";
import { declareLayers } from "../nn/layers";
import { noiseInputs } from "../nn/noise-inputs";
import type { ScoreModel } from "../types";
import { checkSource } from "../weights/check-weights";
import { createParameters } from "../weights/parameters";
import type { InitialWeights } from "../weights/types";

/** The architecture of {@link mlp}. */
export interface MlpConfig {
  /** Numbers per sample; 2 for points in the plane. */
  readonly dim: number;
  /**
   * Width of the hidden layers.
   * @defaultValue `64`
   */
  readonly hidden?: number | undefined;
  /**
   * Number of hidden layers, at most 1000.
   * @defaultValue `3`
   */
  readonly depth?: number | undefined;
  /**
   * Width of the condition `[B, condDim]`; 0 for an unconditional network.
   * @defaultValue `0`
   */
  readonly condDim?: number | undefined;
  /**
   * Number of sinusoidal time features.
   * @defaultValue `32`
   */
  readonly timeDim?: number | undefined;
}

/** Options of {@link mlp}. */
export interface MlpOptions {
  /** Prefix of the variables' names; no two live networks may share one. */
  readonly name: string;
  /** The forward process that the network was, or will be, trained for. */
  readonly schedule: NoiseSchedule;
  /** What it predicts. */
  readonly predicts: PredictionName;
  /** Its weights in PyTorch's layouts, a stream to draw PyTorch's default start from, or `loadParameters`. */
  readonly weights: InitialWeights;
}

/**
 * A multi-layer perceptron with time embedding, for points in the plane and the like.
 *
 *     h_0 = [x_t/√(α² + σ²), features(1000·σ/(α + σ)), cond],   h_{i+1} = silu(W_i·h_i + b_i),   out = W·h_depth + b
 *
 * The time enters as the noise fraction σ/(α + σ), the time of the rectified flow at the same
 * signal-to-noise ratio, so one network suits every schedule. Its features are `h_depth`, `[B, hidden]`.
 *
 * Source: the features are the sinusoids of Vaswani et al., arXiv:1706.03762, section 3.5; the rest is of this library.
 *
 * @param config - widths and depth.
 * @param options - name, schedule, prediction and weights, whose names are `layers.0.weight`, `layers.0.bias`, …, `out.weight`, `out.bias`.
 * @returns a score model for samples `[B, dim]`; with `condDim` its condition is `[B, condDim]` and needed.
 * @throws SidError for widths that are no positive integers; `missing-weight`, `surplus-weight` or
 *   `shape-mismatch` naming the tensor; `invalid-argument` when a network of this name lives already.
 *
 * @example
 * ```ts
 * import { ddpmSchedule, mlp, randomStream } from "sid-lsg";
 *
 * const stream = randomStream(0);
 * const network = mlp({ dim: 2 }, { name: "fake", schedule: ddpmSchedule(), predicts: "eps", weights: stream });
 * network.predict(stream.normal([4, 2]), [20, 300, 625, 979]).print();
 * network.dispose();
 * ```
 */
export function mlp(config: MlpConfig, options: MlpOptions): ScoreModel {
  const {
    dim,
    hidden = 64,
    depth = 3,
    condDim = 0,
    timeDim = 32,
  } = checkObject("mlp", "config", config, { dim: 1, hidden: 1, depth: 1, condDim: 1, timeDim: 1 });
  for (const [key, value] of Object.entries({ dim, hidden, timeDim })) checkInteger("mlp", key, value, 1);
  checkInteger("mlp", "depth", depth, 1, 1000);
  checkInteger("mlp", "condDim", condDim, 0);
  checkObject("mlp", "options", options, { ...declared, weights: 1 });
  checkDeclaration("mlp", options);
  checkSource("mlp", options.weights);
  const { name, schedule, predicts } = options;

  const at = declareLayers();
  const layers = Array.from({ length: depth }, (_, i) =>
    at.linear(`layers.${i}`, i === 0 ? dim + timeDim + condDim : hidden, hidden),
  );
  const out = at.linear("out", hidden, dim);
  const parameters = createParameters(name, at.specs, options.weights);

  const inputs = (xt: Tensor, t: Timesteps, cond: Tensor | undefined): Tensor => {
    const { scaled, time } = noiseInputs(schedule, xt, t, timeDim);
    return concat([scaled, time, ...(cond === undefined ? [] : [cond])], 1);
  };
  /** The last hidden layer. */
  const trunk = (called: string, xt: Tensor, t: Timesteps, cond: Tensor | undefined): Tensor => {
    const where = `${name}.${called}`;
    checkShape(where, "xt", xt, [t.length, dim]);
    if ((cond === undefined) !== (condDim === 0))
      throw new SidError(
        "invalid-argument",
        `${where}: the network has condDim ${condDim}, but cond is ${describe(cond)}.`,
      );
    if (cond !== undefined) {
      checkBatch(where, "cond", cond);
      checkShape(where, "cond", cond, [t.length, condDim]);
    }
    return layers.reduce((x, layer) => silu(layer(parameters.get, x)), inputs(xt, t, cond));
  };
  return functionModel({
    name,
    schedule,
    predicts,
    variables: parameters.list,
    predict: (xt, t, cond) => out(parameters.get, trunk("predict", xt, t, cond)),
    features: (xt, t, cond) => trunk("features", xt, t, cond),
    predictWithFeatures(xt, t, cond) {
      const features = trunk("predictWithFeatures", xt, t, cond);
      return { prediction: out(parameters.get, features), features };
    },
    dispose: parameters.dispose,
  });
}

function checkShape(where: string, name: string, x: Tensor, shape: readonly number[]): void {
  if (x.shape.join() !== shape.join())
    throw new SidError("shape-mismatch", `${where}: ${name} must be [${shape.join(", ")}], got ${showShape(x)}.`);
}
