/** Eigenvalues and orthonormal eigenvectors of a real symmetric matrix. */
export interface SymmetricEigen {
  /** One eigenvalue per row of `vectors`; in no particular order. */
  readonly values: Float64Array;
  /** Row `k` is the unit eigenvector of `values[k]`; row-major `[n, n]`. */
  readonly vectors: Float64Array;
}

/**
 * Cyclic Jacobi iteration (Golub & Van Loan, Matrix Computations, 8.5): rotates one off-diagonal
 * entry to zero at a time until all of them vanish at float64 precision. `matrix` is row-major `[n, n]`.
 */
export function symmetricEigen(matrix: Float64Array, n: number): SymmetricEigen {
  const a = matrix.slice();
  const vectors = new Float64Array(n * n);
  for (let i = 0; i < n; i++) vectors[i * n + i] = 1;
  const tolerance = 1e-30 * a.reduce((sum, x) => sum + x * x, 0);
  for (let sweep = 0; sweep < 60 && offDiagonal(a, n) > tolerance; sweep++)
    for (let p = 0; p < n - 1; p++) for (let q = p + 1; q < n; q++) rotate(a, vectors, n, p, q);
  return { values: Float64Array.from({ length: n }, (_, i) => a[i * n + i] as number), vectors };
}

/** `V f(λ) Vᵀ` of a symmetric matrix: its square root for `f = √`. */
export function symmetricFunction(matrix: Float64Array, n: number, f: (eigenvalue: number) => number): Float64Array {
  const { values, vectors } = symmetricEigen(matrix, n);
  const out = new Float64Array(n * n);
  for (let k = 0; k < n; k++) {
    const scale = f(values[k] as number);
    const row = vectors.subarray(k * n, (k + 1) * n);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) out[i * n + j] = at(out, i * n + j) + scale * at(row, i) * at(row, j);
  }
  return out;
}

/** Product of two row-major `[n, n]` matrices. */
export function multiply(a: Float64Array, b: Float64Array, n: number): Float64Array {
  const out = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let k = 0; k < n; k++) {
      const scale = at(a, i * n + k);
      for (let j = 0; j < n; j++) out[i * n + j] = at(out, i * n + j) + scale * at(b, k * n + j);
    }
  return out;
}

/** Sum of the squares above the diagonal. */
function offDiagonal(a: Float64Array, n: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) sum += at(a, i * n + j) ** 2;
  return sum;
}

/** One Jacobi rotation that makes `a[p, q]` zero; keeps `a` symmetric and turns the eigenvectors along. */
function rotate(a: Float64Array, vectors: Float64Array, n: number, p: number, q: number): void {
  const apq = at(a, p * n + q);
  if (apq === 0) return;
  const theta = (at(a, q * n + q) - at(a, p * n + p)) / (2 * apq);
  const tangent = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
  const cosine = 1 / Math.hypot(tangent, 1);
  const sine = tangent * cosine;
  for (let k = 0; k < n; k++) turn(a, k * n + p, k * n + q, cosine, sine);
  for (let k = 0; k < n; k++) turn(a, p * n + k, q * n + k, cosine, sine);
  for (let k = 0; k < n; k++) turn(vectors, p * n + k, q * n + k, cosine, sine);
}

/** Rotates the pair `(x[i], x[j])`. */
function turn(x: Float64Array, i: number, j: number, cosine: number, sine: number): void {
  const xi = at(x, i);
  const xj = at(x, j);
  x[i] = cosine * xi - sine * xj;
  x[j] = sine * xi + cosine * xj;
}

function at(x: Float64Array, i: number): number {
  return x[i] as number;
}
