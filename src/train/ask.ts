import type { Tensor } from "@tensorflow/tfjs-core";
import type { Timesteps } from "../core/per-sample";
import type { Question } from "../methods/types";
import { predictX0Parts } from "../models/predict-x0";
import type { ScoreModel } from "../models/types";
import type { Checked } from "./objective";

/** One pass through a network at one x_t, and the answers that it gives. */
export interface Pass {
  readonly at: "xt" | "other";
  /** Whether the gradient flows through its input. */
  readonly gradient: boolean;
  /** The names of what it returns, in that order: its answers, and {@link conditionalOf} one where that is a part of it. */
  readonly names: readonly string[];
  /** Whether it runs a whole score model, and not a discriminator with no more than a trunk. */
  readonly whole: boolean;
  run(xt: Tensor): Tensor[];
}

/** The name of an answer's part at κ = 1, which is nobody's answer. */
export function conditionalOf(name: string): string {
  return `${name} at κ = 1`;
}

/** Where a pass is made. */
export interface Place {
  readonly t: Timesteps;
  readonly cond?: Tensor | undefined;
  readonly uncond?: Tensor | undefined;
}

/**
 * The passes that answer the questions: one for each, but a discriminator reads along where its network is asked with the
 * condition. The passes for the questions `parted` give their part at κ = 1 as well.
 */
export function passesOf(
  { teacher, fakeScore, discriminator }: Checked,
  asks: Readonly<Record<string, Question>>,
  places: Readonly<Record<"xt" | "other", Place>>,
  parted: readonly string[] = [],
): Pass[] {
  const readers = Object.entries(asks).filter(([, { of }]) => of === "discriminator");
  const taken = new Set<string>();
  const logit = discriminator?.logit.bind(discriminator) as (input: Tensor, t: Timesteps) => Tensor;
  const passes = Object.entries(asks).flatMap(([name, question]): Pass[] => {
    const { of, guidanceScale = 1, at = "xt", gradient = false } = question;
    if (of === "discriminator") return [];
    const model = (of === "teacher" ? teacher : fakeScore) as ScoreModel;
    const { t, cond, uncond } = places[at];
    const inputs = (xt: Tensor) => ({ xt, t, cond, uncond, guidanceScale });
    // At κ = 0 the network does not see the condition, as a discriminator always does.
    const reader = readers.find(
      ([reading, other]) =>
        !taken.has(reading) && discriminator?.reads === of && (other.at ?? "xt") === at && guidanceScale !== 0,
    );
    const parts = parted.includes(name) && guidanceScale !== 0 && guidanceScale !== 1;
    if (reader) taken.add(reader[0]);
    return [
      {
        at,
        gradient: gradient || (reader?.[1].gradient ?? false),
        names: [name, ...(reader ? [reader[0]] : []), ...(parts ? [conditionalOf(name)] : [])],
        whole: true,
        run(xt) {
          const { x0, features, conditional } = predictX0Parts(model, inputs(xt), {
            features: reader !== undefined,
            conditional: parts,
          });
          return [x0, ...(features && reader ? [logit(features, t)] : []), ...(conditional ? [conditional] : [])];
        },
      },
    ];
  });
  const alone = readers
    .filter(([name]) => !taken.has(name))
    .map(([name, { at = "xt", gradient = false }]): Pass => {
      const { t, cond } = places[at];
      const model = discriminator?.reads === "teacher" ? teacher : fakeScore;
      const features = (xt: Tensor) => (discriminator?.reads ? (model?.features?.(xt, t, cond) as Tensor) : xt);
      return { at, gradient, names: [name], whole: false, run: (xt) => [logit(features(xt), t)] };
    });
  return [...alone, ...passes];
}
