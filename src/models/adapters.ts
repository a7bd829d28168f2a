import { clone, type Tensor, type Tensor2D, tensor2d, tidy, Variable } from "@tensorflow/tfjs-core";
import {
  checkArray,
  checkFunction,
  checkMethods,
  checkObject,
  checkPerSample,
  checkText,
  describe,
  type KeysOf,
  showShape,
} from "../core/checks";
import { SidError } from "../core/errors";
import type { Timesteps } from "../core/per-sample";
import { checkPrediction, type PredictionName, type PredictionType } from "../core/prediction-type";
import { checkBatch, checkTensor, checkVariables } from "../core/tensor-checks";
import { checkSchedule, levelAt } from "../schedules/time";
import type { NoiseSchedule } from "../schedules/types";
import type { PredictionWithFeatures, ScoreModel } from "./types";
import { checkLive } from "./weights/check-weights";

/** What {@link functionModel} needs to know of a network. */
export interface FunctionModelOptions {
  /** Prefix of the variables' names; used in error messages too. */
  readonly name: string;
  /** What `predict` returns. */
  readonly predicts: PredictionName;
  /** The forward process it was trained for. */
  readonly schedule: NoiseSchedule;
  /**
   * The network: pure, in differentiable tfjs ops, of the shape and dtype of `xt`. What it makes on
   * the way is disposed of.
   */
  readonly predict: (xt: Tensor, t: Timesteps, cond?: Tensor) => Tensor;
  /**
   * What discriminators may read, `[B, ...]` and float32; pure and differentiable as well.
   * @defaultValue the features of `predictWithFeatures`, if there is one
   */
  readonly features?: ((xt: Tensor, t: Timesteps, cond?: Tensor) => Tensor) | undefined;
  /**
   * Both of the above in one pass.
   * @defaultValue `predict` and then `features`, if there are any
   */
  readonly predictWithFeatures?: ((xt: Tensor, t: Timesteps, cond?: Tensor) => PredictionWithFeatures) | undefined;
  /**
   * All weights that may train.
   * @defaultValue none
   */
  readonly variables?: readonly Variable[] | undefined;
  /**
   * Frees the network.
   * @defaultValue disposes of `variables`
   */
  readonly dispose?: (() => void) | undefined;
}

/**
 * Turns a plain function into a {@link ScoreModel}: adds the checks of its inputs and of its output.
 *
 * The output must have the shape and dtype of `xt`. A network that also predicts a variance returns
 * twice the channels: split them inside `predict`.
 *
 * @param options - the function and what it declares.
 * @returns a score model whose `predict` throws SidError `shape-mismatch` for inputs or outputs that
 *   do not fit, `out-of-range` for a time outside the schedule, `not-finite` for NaN.
 * @throws SidError `invalid-argument` when an option is missing or of the wrong kind.
 *
 * @example
 * ```ts
 * import { ddpmSchedule, functionModel, perSample } from "sid-lsg";
 * import { mul, tensor2d } from "@tensorflow/tfjs-core";
 *
 * // The exact ε-prediction for standard normal data on a VP schedule is σ·x_t.
 * const schedule = ddpmSchedule();
 * const teacher = functionModel({
 *   name: "teacher",
 *   predicts: "eps",
 *   schedule,
 *   predict: (xt, t) => mul(xt, perSample(t.map(schedule.sigma), xt.rank)),
 * });
 * teacher.predict(tensor2d([[1, 2], [1, 2]]), [20, 979]).print(); // each row at its own time
 * ```
 */
export function functionModel(options: FunctionModelOptions): ScoreModel {
  checkObject("functionModel", "options", options, {
    ...{ ...declared, predict: 1, variables: 1, dispose: 1 },
    ...{ features: 1, predictWithFeatures: 1 },
  });
  const predicts = checkDeclaration("functionModel", options);
  const { name, schedule, predict, features, predictWithFeatures, variables = [] } = options;
  const { dispose = () => variables.forEach((v) => void v.dispose()) } = options;
  checkFunction("functionModel", "predict", predict);
  if (features !== undefined) checkFunction("functionModel", "features", features);
  if (predictWithFeatures !== undefined) checkFunction("functionModel", "predictWithFeatures", predictWithFeatures);
  checkVariables("functionModel", "variables", variables);
  checkFunction("functionModel", "dispose", dispose);
  const checkInputs = (called: string, xt: Tensor, t: Timesteps, cond: Tensor | undefined): void => {
    const where = `${name}.${called}`;
    checkLive(where, { name, variables });
    checkBatch(where, "xt", xt);
    const batch = xt.shape[0] as number;
    checkPerSample(where, "t", t, batch);
    for (const time of t) levelAt(where, schedule, time);
    if (cond !== undefined) checkCondition(where, cond, batch);
  };
  const both =
    predictWithFeatures ??
    (features && ((xt, t, cond) => ({ prediction: predict(xt, t, cond), features: features(xt, t, cond) })));
  const alone = features ?? (both && ((xt, t, cond) => checkAnswer(name, both(xt, t, cond)).features));
  // The clones make outputs the caller's even when a function returns its input, a constant, or one tensor for two.
  return {
    name,
    predicts,
    schedule,
    variables,
    predict(xt, t, cond) {
      checkInputs("predict", xt, t, cond);
      return tidy(() => clone(checkOutput(name, xt, predict(xt, t, cond))));
    },
    ...(alone && {
      features(xt: Tensor, t: Timesteps, cond?: Tensor) {
        checkInputs("features", xt, t, cond);
        return tidy(() => clone(checkFeatures(name, xt, alone(xt, t, cond))));
      },
    }),
    ...(both && {
      predictWithFeatures(xt: Tensor, t: Timesteps, cond?: Tensor) {
        checkInputs("predictWithFeatures", xt, t, cond);
        return tidy(() => {
          const { prediction, features } = checkAnswer(name, both(xt, t, cond));
          return {
            prediction: clone(checkOutput(name, xt, prediction)),
            features: clone(checkFeatures(name, xt, features)),
          };
        });
      },
    }),
    dispose,
  };
}

/** A weight of a tf.layers network: `read()` gives the tfjs variable underneath. */
export interface LayerWeight {
  /** The variable's value. */
  read(): Tensor;
}

/** As much of a `tf.LayersModel` as {@link layersModel} uses. */
export interface LayersNetwork {
  /** The forward pass; differentiable. */
  apply(inputs: never, options?: { training?: boolean }): unknown;
  /** The weights that may train. */
  readonly trainableWeights: readonly LayerWeight[];
  /** Frees the weights, those that do not train included. */
  dispose(): unknown;
}

/** What {@link layersModel} needs to know of a network. */
export interface LayersModelOptions {
  /** Name of the model; the variables keep the names that tf.layers gave them. */
  readonly name: string;
  /** What the network returns. */
  readonly predicts: PredictionName;
  /** The forward process it was trained for. */
  readonly schedule: NoiseSchedule;
  /**
   * Builds the network's input or inputs from `x_t`, the times as a column `[B, 1]`, and the condition.
   * @defaultValue `[xt, t]`, or `[xt, t, cond]` with a condition; `t` in the schedule's unit
   */
  readonly inputs?: ((xt: Tensor, t: Tensor2D, cond?: Tensor) => Tensor | Tensor[]) | undefined;
}

/**
 * Turns a `tf.LayersModel` (`@tensorflow/tfjs-layers`) into a {@link ScoreModel}. Its `variables`
 * are the tfjs variables under the network's trainable weights, so the network sees each step of an
 * optimiser. It is applied with `training: false`: dropout is off, batch statistics stay.
 *
 * tf.layers names its variables itself (`dense_Dense1/kernel`), so the rule `${name}/...` does not
 * hold for them; they are still unique.
 *
 * @param network - a model with one output of the shape of `xt`.
 * @param options - what the network predicts, and how its inputs are made.
 * @returns a score model; its `dispose` disposes of the network.
 * @throws SidError `invalid-argument` when `network` is not a tf.LayersModel; `predict` throws as
 *   in {@link functionModel}.
 *
 * @example
 * ```ts
 * import { ddpmSchedule, layersModel } from "sid-lsg";
 * import { concat, div } from "@tensorflow/tfjs-core";
 * import { layers, sequential } from "@tensorflow/tfjs-layers";
 *
 * const network = sequential({
 *   layers: [layers.dense({ units: 32, activation: "swish", inputShape: [3] }), layers.dense({ units: 2 })],
 * });
 * const teacher = layersModel(network, {
 *   name: "teacher",
 *   predicts: "eps",
 *   schedule: ddpmSchedule(),
 *   inputs: (xt, t) => concat([xt, div(t, 1000)], 1),
 * });
 * console.log(teacher.variables.length); // 4
 * teacher.dispose();
 * ```
 */
export function layersModel(network: LayersNetwork, options: LayersModelOptions): ScoreModel {
  checkMethods("layersModel", "network", network, "a tf.LayersModel", ["apply", "dispose"]);
  checkArray("layersModel", "the network's trainableWeights", network.trainableWeights);
  checkObject("layersModel", "options", options, { ...declared, inputs: 1 });
  checkDeclaration("layersModel", options);
  const { name, predicts, schedule, inputs = defaultInputs } = options;
  checkFunction("layersModel", "inputs", inputs);
  return functionModel({
    name,
    predicts,
    schedule,
    variables: network.trainableWeights.map(underlyingVariable),
    predict(xt, t, cond) {
      const times = tensor2d([...t], [t.length, 1], "float32");
      return network.apply(inputs(xt, times, cond) as never, { training: false }) as Tensor;
    },
    dispose: () => void network.dispose(),
  });
}

/** What every score model declares. */
type Declaration = Pick<ScoreModel, "name" | "schedule"> & { readonly predicts: PredictionName };

/** The keys of a {@link Declaration}. */
export const declared: KeysOf<Declaration> = { name: 1, predicts: 1, schedule: 1 };

/** Throws unless a score model may be declared so; returns what it predicts. */
export function checkDeclaration(where: string, options: Declaration): PredictionType {
  const { name, predicts, schedule } = checkObject(where, "options", options);
  checkText(where, "name", name);
  checkSchedule(where, schedule);
  return checkPrediction(where, "predicts", predicts);
}

function defaultInputs(xt: Tensor, t: Tensor2D, cond?: Tensor): Tensor[] {
  return cond === undefined ? [xt, t] : [xt, t, cond];
}

function underlyingVariable(weight: LayerWeight): Variable {
  const value = checkMethods("layersModel", "a trainable weight", weight, "a weight of tf.layers", ["read"]).read();
  if (value instanceof Variable) return value;
  throw new SidError("invalid-argument", `layersModel: a trainable weight is ${describe(value)}, not a variable.`);
}

function checkCondition(where: string, cond: Tensor, batch: number): void {
  checkTensor(where, "cond", cond);
  if (cond.shape[0] !== batch)
    throw new SidError(
      "shape-mismatch",
      `${where}: cond needs one row per sample, wanted [${batch}, ...], got ${showShape(cond)}.`,
    );
}

const checkAnswer = (name: string, answer: PredictionWithFeatures): PredictionWithFeatures =>
  checkObject(name, "what predictWithFeatures returned", answer);

function checkFeatures(name: string, xt: Tensor, features: Tensor): Tensor {
  checkBatch(name, "the network's features", features);
  if (features.shape[0] !== xt.shape[0])
    throw new SidError(
      "shape-mismatch",
      `${name}: the network's features need one row per sample, wanted [${xt.shape[0]}, ...], got ${showShape(features)}.`,
    );
  return features;
}

function checkOutput(name: string, xt: Tensor, output: Tensor): Tensor {
  checkBatch(name, "the network's output", output);
  if (output.shape.join() !== xt.shape.join())
    throw new SidError(
      "shape-mismatch",
      `${name}: the network's output must have the shape of x_t ${showShape(xt)}, got ${showShape(output)}.`,
    );
  return output;
}
