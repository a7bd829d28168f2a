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

/** Every {@link PredictionType}, for checks. */
export const predictionTypes: readonly PredictionType[] = ["eps", "x0", "v", "score", "flow"];
