import {
  checkArray,
  checkBoolean,
  checkFinite,
  checkFunction,
  checkInteger,
  checkObject,
  checkOneOf,
  checkPositive,
  checkRange,
  checkText,
  isObject,
  type KeysOf,
} from "../core/checks";
import { SidError } from "../core/errors";
import { fakeScoreWeights } from "../losses/fake-score";
import type {
  DataUpdate,
  DiscriminatorUpdate,
  FakeScoreUpdate,
  GeneratorUpdate,
  Method,
  Question,
  Recipe,
} from "./types";

const keys: KeysOf<Method> = {
  ...{ name: 1, settings: 1, generator: 1, fakeScore: 1, steps: 1, noising: 1, recipe: 1, warnings: 1 },
};
const generatorKeys: KeysOf<GeneratorUpdate> = {
  ...{ timesteps: 1, otherTimesteps: 1, asks: 1, cotangents: 1, lossScale: 1, startsAt: 1 },
};
const dataKeys: KeysOf<DataUpdate> = { timesteps: 1, guided: 1, loss: 1, lossScale: 1 };
const questionKeys: KeysOf<Question> = { of: 1, guidanceScale: 1, at: 1, gradient: 1, startsAt: 1 };
const fakeScoreKeys: KeysOf<FakeScoreUpdate> = {
  ...{ timesteps: 1, guidanceScale: 1, weight: 1, reduction: 1, lossScale: 1, contextDropout: 1, updates: 1, first: 1 },
  ...{ discriminator: 1 },
};
const discriminatorKeys: KeysOf<DiscriminatorUpdate> = { timesteps: 1, loss: 1 };
const recipeKeys: KeysOf<Recipe> = {
  ...{ learningRate: 1, fakeLearningRate: 1, beta1: 1, beta2: 1, weightDecay: 1 },
  ...{ clipNorm: 1, fakeClipNorm: 1, fakeClipValue: 1 },
};

/** Names that an answer cannot have, since cotangents has them for something else. */
const reserved = ["generated", "loss"];

/** Throws unless `method` is a well-formed method, with a remedy; returns it. */
export function checkMethod<M extends Method>(where: string, method: M): M {
  const given: Method = method;
  if (typeof given === "function")
    throw new SidError(
      "invalid-argument",
      `${where}: method must be a method, got the function ${(given as { readonly name: string }).name} that makes one; call it.`,
    );
  checkObject(where, "method", given, keys);
  checkText(where, "method.name", method.name);
  const of = `${where}: the method "${method.name}"`;
  checkObject(of, "settings", method.settings);
  checkOneOf(of, "steps", method.steps ?? "all", ["all", "random"]);
  checkOneOf(of, "noising", method.noising ?? "sample", ["sample", "interval"]);
  if (method.recipe !== undefined) checkRecipe(of, method.recipe);
  for (const [i, warning] of checkArray(of, "warnings", method.warnings ?? []).entries())
    checkText(of, `warnings[${i}]`, warning);
  if (method.fakeScore !== undefined) checkFakeScore(of, method.fakeScore);
  const generator = checkObject(of, "generator", method.generator);
  if (isDataUpdate(generator)) checkDataUpdate(of, generator, method.fakeScore);
  else checkGenerator(of, generator, method.fakeScore);
  return method;
}

/** Whether a method's generator learns from real images rather than from its own samples. */
export function isDataUpdate(generator: GeneratorUpdate | DataUpdate): generator is DataUpdate {
  return isObject(generator) && "loss" in generator;
}

function checkGenerator(where: string, generator: GeneratorUpdate, fakeScore: FakeScoreUpdate | undefined): void {
  checkObject(where, "generator", generator, generatorKeys);
  checkFunction(where, "generator.timesteps", generator.timesteps);
  if (generator.otherTimesteps !== undefined)
    checkFunction(where, "generator.otherTimesteps", generator.otherTimesteps);
  checkFunction(where, "generator.cotangents", generator.cotangents);
  checkScale(where, "generator.lossScale", generator.lossScale);
  if (generator.startsAt !== undefined)
    checkRange(where, "generator.startsAt", generator.startsAt, 0, Number.MAX_VALUE);
  const questions = Object.entries(checkObject(where, "generator.asks", generator.asks));
  for (const [name, question] of questions) {
    checkText(where, "the name of a question", name);
    if (reserved.includes(name))
      throw new SidError(
        "invalid-argument",
        `${where}: generator.asks names an answer "${name}", which cotangents has for ${name === "loss" ? "the loss" : "the samples"}; give it another name.`,
      );
    checkQuestion(where, name, question);
    if (question.at === "other" && generator.otherTimesteps === undefined)
      throw new SidError(
        "invalid-argument",
        `${where}: the question "${name}" is asked at the other x_t, for which generator.otherTimesteps must give the law of t.`,
      );
    if (question.of === "fakeScore" && fakeScore === undefined)
      throw new SidError(
        "invalid-argument",
        `${where}: the question "${name}" is put to the fake score, which the method does not train; describe its update in fakeScore.`,
      );
    if (question.of === "discriminator" && fakeScore?.discriminator === undefined)
      throw new SidError(
        "invalid-argument",
        `${where}: the question "${name}" is put to a discriminator, which the method does not train; describe its loss in fakeScore.discriminator.`,
      );
  }
  const asked = (whom: Question["of"]) => questions.some(([, { of }]) => of === whom);
  if (fakeScore !== undefined && !asked("fakeScore") && !asked("discriminator"))
    throw new SidError(
      "invalid-argument",
      `${where}: it trains a fake score that no question of generator.asks is put to; ask it, or leave fakeScore out.`,
    );
  if (fakeScore?.discriminator !== undefined && !asked("discriminator"))
    throw new SidError(
      "invalid-argument",
      `${where}: it trains a discriminator that no question of generator.asks is put to; ask it, or leave fakeScore.discriminator out.`,
    );
}

function checkQuestion(where: string, name: string, question: Question): void {
  const at = `generator.asks.${name}`;
  const {
    of,
    guidanceScale,
    at: place = "xt",
    gradient = false,
    startsAt = 0,
  } = checkObject(where, at, question, questionKeys);
  checkOneOf(where, `${at}.of`, of, ["teacher", "fakeScore", "discriminator"]);
  if (guidanceScale !== undefined) checkFinite(where, `${at}.guidanceScale`, guidanceScale);
  if (of === "discriminator" && guidanceScale !== undefined && guidanceScale !== 1)
    throw new SidError(
      "invalid-argument",
      `${where}: ${at}.guidanceScale is ${guidanceScale}, but a discriminator always sees the condition; leave it out.`,
    );
  checkOneOf(where, `${at}.at`, place, ["xt", "other"]);
  checkBoolean(where, `${at}.gradient`, gradient);
  checkRange(where, `${at}.startsAt`, startsAt, 0, Number.MAX_VALUE);
}

function checkDataUpdate(where: string, generator: DataUpdate, fakeScore: FakeScoreUpdate | undefined): void {
  checkObject(where, "generator", generator, dataKeys);
  checkFunction(where, "generator.timesteps", generator.timesteps);
  checkBoolean(where, "generator.guided", generator.guided);
  checkFunction(where, "generator.loss", generator.loss);
  checkScale(where, "generator.lossScale", generator.lossScale);
  if (fakeScore !== undefined)
    throw new SidError(
      "invalid-argument",
      `${where}: its generator learns from real images by generator.loss and asks no fake score; leave fakeScore out.`,
    );
}

function checkFakeScore(where: string, fakeScore: FakeScoreUpdate): void {
  const { timesteps, guidanceScale, weight, reduction, lossScale, contextDropout, updates, first, discriminator } =
    checkObject(where, "fakeScore", fakeScore, fakeScoreKeys);
  checkFunction(where, "fakeScore.timesteps", timesteps);
  if (guidanceScale !== undefined) checkFinite(where, "fakeScore.guidanceScale", guidanceScale);
  if (weight !== undefined && typeof weight !== "function")
    checkOneOf(where, "fakeScore.weight", weight, fakeScoreWeights);
  checkOneOf(where, "fakeScore.reduction", reduction ?? "sum", ["sum", "mean"]);
  checkScale(where, "fakeScore.lossScale", lossScale);
  if (contextDropout !== undefined) checkRange(where, "fakeScore.contextDropout", contextDropout, 0, 1);
  if (updates !== undefined) checkInteger(where, "fakeScore.updates", updates, 1);
  checkOneOf(where, "fakeScore.first", first ?? "fakeScore", ["fakeScore", "generator"]);
  if (discriminator === undefined) return;
  checkObject(where, "fakeScore.discriminator", discriminator, discriminatorKeys);
  checkFunction(where, "fakeScore.discriminator.loss", discriminator.loss);
  if (discriminator.timesteps !== undefined)
    checkFunction(where, "fakeScore.discriminator.timesteps", discriminator.timesteps);
}

function checkRecipe(where: string, recipe: Recipe): void {
  checkObject(where, "recipe", recipe, recipeKeys);
  for (const name of ["learningRate", "fakeLearningRate", "clipNorm", "fakeClipNorm", "fakeClipValue"] as const)
    checkScale(where, `recipe.${name}`, recipe[name]);
  for (const name of ["beta1", "beta2"] as const)
    if (recipe[name] !== undefined && checkRange(where, `recipe.${name}`, recipe[name], 0, 1) === 1)
      throw new SidError("out-of-range", `${where}: recipe.${name} must be less than 1, got 1.`);
  if (recipe.weightDecay !== undefined)
    checkRange(where, "recipe.weightDecay", recipe.weightDecay, 0, Number.MAX_VALUE);
}

function checkScale(where: string, name: string, value: number | undefined): void {
  if (value !== undefined) checkPositive(where, name, value);
}
