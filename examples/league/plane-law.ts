/** What a generator's law in the plane is, from many of its points. */
import { modesOf, variance } from "../plane/world";

/**
 * Both laws are compared after the same small noise: each sample of either is moved by a Gaussian of this deviation. The
 * mixture's Gaussians have a deviation of 0.17.
 */
export const smoothing = 0.05;
/** Half the side of the square that is integrated over; points beyond count at its edge. */
const extent = 4;
const cell = smoothing / 3;
const across = Math.round((2 * extent) / cell) + 1;

/**
 * KL(q ‖ p) in nats of a class: q the law of the points, p the class's mixture, each convolved with N(0, {@link smoothing}²).
 *
 *     q = mean over points of N(x; point, h²),   p = Σ_k w_k N(x; m_k, v + h²),   KL = ∫ q log(q / p)
 *
 * Convolved laws have densities whatever a generator does to the plane, and what is left of the divergence is at most the
 * one without noise. The integral is a sum over cells of h/3. Points are shared among the four nearest cells and the kernel
 * is narrowed by the variance that this adds, so that against Gaussians in closed form the sum is right to 0.5 %; what
 * `count` random points add is about (area of the law)/(8π h² count): 1e-3 nats for 2^16 of the mixture's.
 *
 * @param points - x and y in turn.
 */
export function smoothedKl(points: ArrayLike<number>, c: number): number {
  const q = smoothedMass(points);
  const modes = modesOf(c);
  const total = variance + smoothing ** 2;
  let kl = 0;
  for (let row = 0; row < across; row++)
    for (let column = 0; column < across; column++) {
      const mass = q[row * across + column] as number;
      if (mass < 1e-300) continue;
      const [x, y] = [-extent + column * cell, -extent + row * cell];
      const exponents = modes.map(({ centre, share }) => {
        return Math.log(share) - ((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * total);
      });
      const top = Math.max(...exponents);
      const logDensity =
        top + Math.log(exponents.reduce((sum, e) => sum + Math.exp(e - top), 0)) - Math.log(2 * Math.PI * total);
      kl += mass * (Math.log(mass / cell ** 2) - logDensity);
    }
  return kl;
}

/** Mass of each cell under the points' law after the noise, row by row. */
function smoothedMass(points: ArrayLike<number>): Float64Array {
  const mass = new Float64Array(across * across);
  const count = points.length / 2;
  const place = (value: number) => Math.min(across - 1.001, Math.max(0, (value + extent) / cell));
  for (let i = 0; i < count; i++) {
    const [x, y] = [place(points[2 * i] as number), place(points[2 * i + 1] as number)];
    const [column, row] = [Math.floor(x), Math.floor(y)];
    const [right, down] = [x - column, y - row];
    for (const [dy, wy] of [
      [0, 1 - down],
      [1, down],
    ] as const)
      for (const [dx, wx] of [
        [0, 1 - right],
        [1, right],
      ] as const) {
        const at = (row + dy) * across + column + dx;
        mass[at] = (mass[at] as number) + (wx * wy) / count;
      }
  }
  // A point between two cells is spread by w²/6 on average.
  const deviation = Math.sqrt(smoothing ** 2 / cell ** 2 - 1 / 6);
  const reach = Math.ceil(6 * deviation);
  const kernel = Float64Array.from({ length: 2 * reach + 1 }, (_, i) =>
    Math.exp(-0.5 * ((i - reach) / deviation) ** 2),
  );
  const sum = kernel.reduce((a, b) => a + b, 0);
  return transposedBlur(
    transposedBlur(
      mass,
      kernel.map((k) => k / sum),
    ),
    kernel.map((k) => k / sum),
  );
}

/** Blurs along rows and transposes: twice, it blurs both ways. */
function transposedBlur(mass: Float64Array, kernel: Float64Array): Float64Array {
  const out = new Float64Array(mass.length);
  const reach = (kernel.length - 1) / 2;
  for (let row = 0; row < across; row++)
    for (let column = 0; column < across; column++) {
      const value = mass[row * across + column] as number;
      if (value === 0) continue;
      const [from, to] = [Math.max(0, column - reach), Math.min(across - 1, column + reach)];
      for (let target = from; target <= to; target++) {
        const at = target * across + row;
        out[at] = (out[at] as number) + value * (kernel[target - column + reach] as number);
      }
    }
  return out;
}

/** How a class's points are shared among its Gaussians. */
export interface Coverage {
  /** Gaussians that get at least half of what is theirs. */
  readonly covered: number;
  /** Share of points further than three deviations from all Gaussians of their class; 0.011 of the mixture's own. */
  readonly stray: number;
}

/** Counts each point for the nearest Gaussian of its class, unless it strays. */
export function coverageOf(points: ArrayLike<number>, c: number): Coverage {
  const modes = modesOf(c);
  const count = points.length / 2;
  const hits = modes.map(() => 0);
  for (let i = 0; i < count; i++) {
    const squares = modes.map(({ centre: [x, y] }) => {
      return ((points[2 * i] as number) - x) ** 2 + ((points[2 * i + 1] as number) - y) ** 2;
    });
    const nearest = squares.indexOf(Math.min(...squares));
    if ((squares[nearest] as number) <= 9 * variance) hits[nearest] = (hits[nearest] as number) + 1;
  }
  const covered = modes.filter(({ share }, k) => (hits[k] as number) / count >= 0.5 * share).length;
  return { covered, stray: 1 - hits.reduce((a, b) => a + b, 0) / count };
}
