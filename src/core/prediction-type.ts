import { checkOneOf } from "./checks";

/**
 * What a network predicts about `x_t = α·x0 + σ·ε`:
 *
 * - `eps`: the noise ε;
 * - `x0`: the clean sample;
 * - `v`: `α·ε − σ·x0` (Salimans & Ho, arXiv:2202.00512);
 * - `score`: `∇ log p(x_t) = −ε/σ`;
 * - `flow`: the velocity `ε − x0` of the straight path.
 */
export type PredictionType = "eps" | "x0" | "v" | "score" | "flow";

/** {@link PredictionType}, or a word for it that diffusers' files use: `epsilon`, `sample` (x0), `v_prediction`. */
export type PredictionName = PredictionType | "epsilon" | "sample" | "v_prediction";

/** The `prediction_type` of diffusers' scheduler configs. */
export const fileWords = { epsilon: "eps", sample: "x0", v_prediction: "v" } as const satisfies Partial<
  Record<PredictionName, PredictionType>
>;

const names: Readonly<Record<PredictionName, PredictionType>> = {
  ...{ eps: "eps", x0: "x0", v: "v", score: "score", flow: "flow" },
  ...fileWords,
};

/** Throws unless `value` names a prediction; returns its short name. */
export function checkPrediction(where: string, name: string, value: PredictionName): PredictionType {
  return names[checkOneOf(where, name, value, Object.keys(names) as PredictionName[])];
}
