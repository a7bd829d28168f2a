import type { Variable } from "@tensorflow/tfjs-core";
import { checkInteger, checkMethods, checkObject, checkOneOf, type KeysOf } from "../core/checks";
import { SidError } from "../core/errors";
import { checkPrediction } from "../core/prediction-type";
import type { Reducer } from "../distributed/types";
import { checkMethod, isDataUpdate } from "../methods/check-method";
import { sid } from "../methods/sid";
import type { Method } from "../methods/types";
import type { Discriminator, GeneratorModel, ScoreModel } from "../models/types";

/** What both updates start from: the networks and the method. */
export interface Objective {
  /** Makes the samples. */
  readonly generator: GeneratorModel;
  /** The score of the data; frozen. */
  readonly teacher: ScoreModel;
  /**
   * The score of the generator's own samples.
   * @defaultValue none: for methods without one
   */
  readonly fakeScore?: ScoreModel | undefined;
  /**
   * Tells real from generated samples.
   * @defaultValue none: for methods without one
   */
  readonly discriminator?: Discriminator | undefined;
  /**
   * The generator's moving average, for methods that compare with it.
   * @defaultValue none
   */
  readonly average?: GeneratorModel | undefined;
  /**
   * What is computed from them.
   * @defaultValue `sid()`
   */
  readonly method?: Method | undefined;
  /**
   * `staged` opens one network's tape at a time: about 0.4 times the memory of `joint`, which holds all
   * three at once, at about 1.1 times its time, since two networks run forward twice. The same for methods whose
   * gradient flows through no network: they open the generator's tape alone.
   * @defaultValue `"staged"`
   */
  readonly backward?: "staged" | "joint" | undefined;
  /**
   * The other ranks that train the same networks: each batch is this rank's share of one. The steps average the gradients
   * over ranks, and a method's statistics of a batch are those of all; losses and figures stay those of the share.
   * @defaultValue none: this program trains alone
   */
  readonly distributed?: Reducer | undefined;
}

const known: KeysOf<Objective> = {
  ...{ generator: 1, teacher: 1, fakeScore: 1, discriminator: 1, average: 1, method: 1, backward: 1 },
  distributed: 1,
};

/** An objective with its method, and with the networks that the method needs. */
export interface Checked extends Objective {
  readonly method: Method;
  readonly backward: "staged" | "joint";
}

/** Throws unless the method is one and has the networks that it needs. */
export function checkObjective(where: string, objective: Objective): Checked {
  checkObject(where, "objective", objective, known);
  const { generator, teacher, fakeScore, discriminator, average, method = sid(), backward = "staged" } = objective;
  const { distributed } = objective;
  checkMethod(where, method);
  checkOneOf(where, "backward", backward, ["staged", "joint"]);
  if (distributed !== undefined) checkReducer(where, distributed);
  checkMethods(where, "generator", generator, "a generator", ["generate"]);
  checkScore(where, "teacher", teacher);
  if (fakeScore !== undefined) checkScore(where, "fakeScore", fakeScore);
  if (discriminator !== undefined) checkMethods(where, "discriminator", discriminator, "a discriminator", ["logit"]);
  for (const [role, needed] of Object.entries(needsOf(method)))
    if (needed && !objective[role as keyof Needs])
      throw new SidError(
        "invalid-argument",
        `${where}: the method ${method.name} needs the option ${remedies[role as keyof Needs]}, which is not given.`,
      );
  if (discriminator?.reads !== undefined && needsOf(method).discriminator) {
    const read = discriminator.reads === "teacher" ? teacher : fakeScore;
    if (typeof read?.features !== "function" || typeof read.predictWithFeatures !== "function")
      throw new SidError(
        "invalid-argument",
        `${where}: the discriminator "${discriminator.name}" reads the features of ${discriminator.reads}, which has none; take a network that gives features (unet, mlp), or a discriminator that stands alone.`,
      );
  }
  if (method.noising === "interval" && !(generator.times && generator.generateWithInput))
    throw new SidError(
      "invalid-argument",
      `${where}: the method ${method.name} needs a generator that tells its times and its last input, as generatorFrom() makes it.`,
    );
  if (isDataUpdate(method.generator))
    for (const [role, network] of Object.entries({ generator, average }))
      if (network?.network === undefined)
        throw new SidError(
          "invalid-argument",
          `${where}: the method ${method.name} asks the ${role}'s network at other times; it needs one as generatorFrom() makes it.`,
        );
  // A world of one rank has nothing to exchange.
  return { ...objective, method, backward, distributed: distributed?.size === 1 ? undefined : distributed };
}

interface Needs {
  readonly fakeScore: boolean;
  readonly discriminator: boolean;
  readonly average: boolean;
}

/** Where what is missing is given. */
const remedies: Readonly<Record<keyof Needs, string>> = {
  fakeScore: "fakeScore",
  discriminator: "discriminator",
  average: "average (of distill: ema, with a second instance of the generator as its target)",
};

/** The optional networks that a method cannot do without. */
export function needsOf({ generator, fakeScore }: Method): Needs {
  const asked = isDataUpdate(generator) ? [] : Object.values(generator.asks).map((question) => question.of);
  return {
    fakeScore: fakeScore !== undefined || asked.includes("fakeScore"),
    discriminator: fakeScore?.discriminator !== undefined || asked.includes("discriminator"),
    average: isDataUpdate(generator),
  };
}

/** Whether a method learns from real images: its generator, or its discriminator. */
export function needsImages({ generator, fakeScore }: Method): boolean {
  return isDataUpdate(generator) || fakeScore?.discriminator !== undefined;
}

/** What the fake score's update trains: its own weights, then the discriminator's. */
export function fakeScoreVariables({ fakeScore, discriminator, method }: Objective): readonly Variable[] {
  const own = fakeScore?.variables ?? [];
  return method?.fakeScore?.discriminator && discriminator ? [...own, ...discriminator.variables] : own;
}

function checkReducer(where: string, reducer: Reducer): void {
  checkMethods(where, "distributed", reducer, "a reducer, as mpi() of sid-lsg/distributed makes it", [
    ...(["allReduce", "allReduceSync", "allGather", "barrier", "abort"] as const),
  ]);
  checkInteger(where, "distributed.size", reducer.size, 1);
  checkInteger(where, "distributed.rank", reducer.rank, 0, reducer.size - 1);
}

function checkScore(where: string, role: string, model: ScoreModel): void {
  checkMethods(where, role, model, "a score model", ["predict"]);
  checkPrediction(where, `${role}.predicts`, model.predicts);
}
