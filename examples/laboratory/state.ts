/** All that a run of the laboratory depends on, as plain data. */
import { SidError } from "sid-lsg";
import { nearest } from "../common/nearest";
import type { PlaneMethodName } from "../plane/methods";
import type { Process } from "../plane/world";
import { drawnLaw, type PreparedLaw, preparedLaws, type Stroke } from "./laws";
import { checkMethodName, divergences, type MethodSettings, methodOf, reductions, weights } from "./methods";

/** A method in a contest, with what was moved by hand. */
export interface Contestant extends MethodSettings {
  readonly method: PlaneMethodName;
  /** Step size at the start; both fall to 0 along a cosine. */
  readonly learningRate?: number;
  /** Of the fake score; 0 freezes it. */
  readonly fakeLearningRate?: number;
  /** Passes of the generator. */
  readonly passes?: number;
}

export interface LabState {
  readonly law: PreparedLaw | readonly Stroke[];
  /** The mixture's own score, or a network that has learned it from samples. */
  readonly teacher: "exact" | "trained";
  readonly process: Process;
  readonly seed: number;
  readonly batch: number;
  readonly iterations: number;
  /** Steps of the network that all others start as copies of; a trained teacher is that network. */
  readonly pretraining: number;
  /** One, or two side by side. */
  readonly contestants: readonly Contestant[];
}

export const defaultState: LabState = {
  law: "ring",
  teacher: "exact",
  process: "ddpm",
  seed: 1,
  batch: 256,
  iterations: 600,
  pretraining: 600,
  contestants: [{ method: "sid-lsg", kappa1: 1, kappa2: 1, kappa4: 1 }],
};

/** What a number may be. */
export interface Range {
  readonly least: number;
  readonly most: number;
  readonly whole?: true;
}

/** Numbers of the state. */
export const stateRanges = {
  seed: { least: 0, most: 2 ** 31, whole: true },
  batch: { least: 16, most: 1024, whole: true },
  iterations: { least: 1, most: 20_000, whole: true },
  pretraining: { least: 1, most: 10_000, whole: true },
} as const satisfies Readonly<Record<string, Range>>;

/** Numbers of a contestant. */
export const contestantRanges = {
  alpha: { least: -1, most: 3 },
  kappa1: { least: -5, most: 20 },
  kappa2: { least: -5, most: 20 },
  kappa4: { least: -5, most: 20 },
  fakeUpdates: { least: 1, most: 20, whole: true },
  learningRate: { least: 1e-6, most: 0.1 },
  fakeLearningRate: { least: 0, most: 0.1 },
  passes: { least: 1, most: 8, whole: true },
} as const satisfies Readonly<Record<string, Range>>;

/** Words of a contestant. */
export const contestantWords = { weight: weights, reduction: reductions, divergence: divergences } as const;

/** Words of the state. */
export const stateWords = { teacher: ["exact", "trained"], process: ["ddpm", "flow"] } as const;

/**
 * Throws unless a run can be made of the state; returns it.
 *
 * @throws SidError `invalid-argument` or `out-of-range`, in words for the reader.
 */
export function checkState(state: LabState): LabState {
  for (const [name, words] of Object.entries(stateWords))
    checkWord(name, state[name as keyof typeof stateWords], words);
  for (const [name, range] of Object.entries(stateRanges))
    checkNumber(name, state[name as keyof typeof stateRanges], range);
  if (typeof state.law === "string") checkWord("law", state.law, Object.keys(preparedLaws));
  else drawnLaw(state.law);
  const { contestants } = state;
  if (contestants.length < 1 || contestants.length > 2)
    throw new SidError("invalid-argument", `One method runs, or two side by side, not ${contestants.length}.`);
  for (const contestant of contestants) checkContestant(contestant);
  return state;
}

function checkContestant(contestant: Contestant): void {
  const { method, learningRate, fakeLearningRate, passes, ...settings } = contestant;
  checkMethodName(method);
  for (const [name, range] of Object.entries(contestantRanges)) {
    const value = contestant[name as keyof typeof contestantRanges];
    if (value !== undefined) checkNumber(name, value, range);
  }
  for (const [name, words] of Object.entries(contestantWords)) {
    const value = contestant[name as keyof typeof contestantWords];
    if (value !== undefined) checkWord(name, value, words);
  }
  methodOf(method, settings);
}

/** Throws unless the number is within its range. */
export function checkNumber(name: string, value: number, { least, most, whole }: Range): void {
  if (!(value >= least && value <= most) || (whole && !Number.isInteger(value)))
    throw new SidError(
      "out-of-range",
      `${name} must be a ${whole ? "whole " : ""}number from ${least} to ${most}, got ${value}.`,
    );
}

/** Throws unless the word is one of a few. */
export function checkWord(name: string, value: string, words: readonly string[]): void {
  if (words.includes(value)) return;
  const like = nearest(value, words);
  throw new SidError(
    "invalid-argument",
    `${name} must be one of ${words.join(", ")}, got "${value}"${like ? `; did you mean ${like}?` : "."}`,
  );
}
