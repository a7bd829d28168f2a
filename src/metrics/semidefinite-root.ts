import { SidError } from "../core/errors";
import { exactCovariance } from "./covariance";

/**
 * A root `R` of a covariance `C = RᵀR`, `rank` rows of `n`: Cholesky's with the largest remaining variance next, left
 * where what remains is rounding. So covariances of fewer samples than dimensions have roots of few rows, without noise.
 *
 * What remains of variance `i` after `j` steps is in error by about `j·ε·C_ii`: below `n·ε·C_ii` it is nothing, on
 * whatever scale that dimension lives.
 *
 * Source: Higham, "Analysis of the Cholesky decomposition of a semi-definite matrix" (1990); LAPACK's `dpstrf`.
 *
 * Throws SidError `invalid-argument` where `C` is not symmetric, or has a direction of negative variance.
 */
export function semidefiniteRoot(
  where: string,
  name: string,
  given: Float64Array,
  n: number,
): { readonly rows: Float64Array; readonly rank: number } {
  const refuse = (what: string): never => {
    throw new SidError("invalid-argument", `${where}: ${name}.covariance ${what}: it is no covariance.`);
  };
  const covariance = exactCovariance(given, n, refuse);
  const variances = Float64Array.from({ length: n }, (_, i) => covariance[i * n + i] as number);
  // A dimension without variance has rounding of the others'.
  const slack = n * Number.EPSILON * variances.reduce((a, b) => Math.max(a, b), 0);
  const remains = variances.slice();
  // Row by row of the lower triangle, in the order of the pivots: dimension order[i] has row i.
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  const lower = new Float64Array(n * n);
  const products = new Float64Array(n);
  let rank = 0;
  for (; rank < n; rank++) {
    const pivot = largest(remains, variances, order, rank, n);
    if (pivot < 0) break;
    swap(order, lower, n, rank, pivot);
    const dimension = order[rank] as number;
    const root = Math.sqrt(remains[dimension] as number);
    const start = rank * n;
    lower[start + rank] = root;
    productsWithRow(lower, rank, n, products);
    for (let i = rank + 1; i < n; i++) {
      const other = order[i] as number;
      const value = ((covariance[dimension * n + other] as number) - (products[i] as number)) / root;
      lower[i * n + rank] = value;
      remains[other] = (remains[other] as number) - value * value;
    }
  }
  for (let i = rank; i < n; i++) {
    const dimension = order[i] as number;
    if ((remains[dimension] as number) < -1e-4 * (variances[dimension] as number) - slack)
      refuse(`has a direction of negative variance at dimension ${dimension}`);
  }
  const rows = new Float64Array(rank * n);
  for (let i = 0; i < n; i++)
    for (let k = 0; k < Math.min(i + 1, rank); k++) rows[k * n + (order[i] as number)] = lower[i * n + k] as number;
  return { rows, rank };
}

/** `out[i] = ⟨row i, row `pivot`⟩` of the first `pivot` columns for the rows below it; four at a time keep V8 busy. */
function productsWithRow(lower: Float64Array, pivot: number, n: number, out: Float64Array): void {
  const row = lower.subarray(pivot * n, pivot * n + pivot);
  for (let i = pivot + 1; i < n; i += 4) {
    const at0 = i * n;
    const at1 = Math.min(i + 1, n - 1) * n;
    const at2 = Math.min(i + 2, n - 1) * n;
    const at3 = Math.min(i + 3, n - 1) * n;
    let [s0, s1, s2, s3] = [0, 0, 0, 0];
    for (let k = 0; k < row.length; k++) {
      const x = row[k] as number;
      s0 += (lower[at0 + k] as number) * x;
      s1 += (lower[at1 + k] as number) * x;
      s2 += (lower[at2 + k] as number) * x;
      s3 += (lower[at3 + k] as number) * x;
    }
    out[i] = s0;
    out[i + 1] = s1;
    out[i + 2] = s2;
    out[i + 3] = s3;
  }
}

/** Where in the order the largest variance remains; -1 where all that does is rounding. */
function largest(remains: Float64Array, variances: Float64Array, order: Uint32Array, from: number, n: number): number {
  let best = -1;
  let most = 0;
  for (let i = from; i < n; i++) {
    const dimension = order[i] as number;
    const value = remains[dimension] as number;
    if (value > most && value > n * Number.EPSILON * (variances[dimension] as number)) {
      most = value;
      best = i;
    }
  }
  return best;
}

function swap(order: Uint32Array, lower: Float64Array, n: number, i: number, j: number): void {
  if (i === j) return;
  [order[i], order[j]] = [order[j] as number, order[i] as number];
  const row = lower.slice(i * n, i * n + i);
  lower.copyWithin(i * n, j * n, j * n + i);
  lower.set(row, j * n);
}
