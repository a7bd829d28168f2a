/** How equations of methods are written: as plain data, which a page shows and a test reads. */
import type { FDivergenceName, Guidance, LossReduction } from "sid-lsg";
import { methodOf } from "../methods";
import type { Contestant } from "../state";

/** What can be pointed at in an equation. */
export type TermName =
  /** x_g and x_t. */
  | "generated"
  | "noisy"
  /** Answers of networks. */
  | "teacher"
  | "fake"
  | "conditional"
  | "unconditional"
  /** δ = f_φ − f_ψ. */
  | "delta"
  | "alphaDelta"
  /** u = (f_φ − x_g) − α·δ. */
  | "combination"
  /** d′(y) of SIM. */
  | "slope"
  /** The part of guidance at t′ of decoupled DMD. */
  | "pull"
  /** M = mean|x_g − f_φ|. */
  | "meanDistance"
  /** ω. */
  | "weight"
  /** h̄(r) of f-distill. */
  | "ratio"
  /** The gradient through x_g alone, what flows through networks, and both together. */
  | "direct"
  | "through"
  | "gradient";

/** A term as it is written. */
export interface Term {
  readonly name: TermName;
  readonly symbol: string;
  /** What stands below, to the right of the symbol. */
  readonly below?: string;
  /** What it is, in words. */
  readonly words: string;
}

export type Piece = string | Term;

/** Lines of what is written and of what can be pointed at. */
export type Equation = readonly (readonly Piece[])[];

/** What of a contestant stands in its equation. */
export interface Numbers {
  readonly method: Contestant["method"];
  readonly alpha: number;
  /** ω by its name; `default` is f-distill's own. */
  readonly weight: string;
  /** κ of the teacher and of the fake score, and how they are called. */
  readonly kappa4: number;
  readonly kappa2: number;
  readonly guided: boolean;
  readonly lossScale: number;
  readonly reduction: LossReduction;
  readonly divergence: FDivergenceName;
  /** c of SIM's distance, 0 or more; absent for the squared one. */
  readonly huber: number | undefined;
  /** The factor of a discriminator's part in the loss; 0 without one. */
  readonly adversarial: number;
}

/** The numbers of a contestant, with those that its method has where none was moved. */
export function numbersOf(contestant: Contestant): Numbers {
  const { method, learningRate: _, fakeLearningRate: __, passes: ___, ...settings } = contestant;
  const has = methodOf(method, settings).settings;
  const guidance = has["guidance"] as Guidance | undefined;
  const scales = has["guidanceScales"] as readonly number[] | undefined;
  const distance = has["distance"] as "squared" | { readonly huber: number } | undefined;
  return {
    method,
    alpha: (has["alpha"] as number | undefined) ?? 1,
    weight: (has["weight"] as string | undefined) ?? "none",
    kappa4: guidance?.kappa4 ?? (has["guidanceScale"] as number | undefined) ?? scales?.[0] ?? 1,
    kappa2: guidance?.kappa2 ?? (has["fakeGuidanceScale"] as number | undefined) ?? 1,
    guided: guidance !== undefined,
    lossScale: (has["lossScale"] as number | undefined) ?? 1,
    reduction: (has["reduction"] as LossReduction | undefined) ?? "sum",
    divergence: (has["divergence"] as FDivergenceName | undefined) ?? "reverse-kl",
    huber: typeof distance === "object" ? distance.huber : undefined,
    adversarial: ((has["adversarialWeight"] ?? has["adversarialScale"]) as number | undefined) ?? 0,
  };
}

/** What the loss is multiplied by beside ω: its scale, the mean over the plane's two coordinates, SiDA's half. */
export function factorOf({ method, lossScale, reduction }: Numbers): number {
  return (lossScale / (reduction === "mean" ? 2 : 1)) * (method === "sida" ? 0.5 : 1);
}

/** A number as it is written: with a true minus sign, and no more digits than can be read. */
export function numeral(value: number, digits = 3): string {
  if (!Number.isFinite(value)) return "–";
  const text = String(Number(value.toPrecision(digits)));
  return text.replace("-", "−");
}

/** A point or an arrow of the plane. */
export function pair(x: number, y: number): string {
  const fixed = (value: number) => (Number.isFinite(value) ? value.toFixed(2).replace(/^-(?=0\.00$)/, "") : "–");
  return `(${fixed(x)}, ${fixed(y)})`.replaceAll("-", "−");
}

/** A line as plain text, a subscript after `_`. */
export function textOf(line: readonly Piece[]): string {
  return line
    .map((piece) =>
      typeof piece === "string" ? piece : `${piece.symbol}${piece.below === undefined ? "" : `_${piece.below}`}`,
    )
    .join("");
}

/** Every term of an equation once, in the order of reading. */
export function termsIn(equation: Equation): Term[] {
  const terms = equation.flat().filter((piece) => typeof piece !== "string");
  return [...new Map(terms.map((term) => [term.name, term])).values()];
}
