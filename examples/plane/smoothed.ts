/** How far a law in the plane that is known by points is from a mixture, after the same small noise on both. */
import { type Law, modesOf } from "./law";

/** Each sample of either law is moved by a Gaussian of this deviation. The ring's Gaussians have one of 0.17. */
export const smoothing = 0.05;
/** Half the side of the square that is integrated over; points beyond count at its edge. */
const extent = 4;
const cell = smoothing / 3;
const across = Math.round((2 * extent) / cell) + 1;

/** `log p` in the cells of the square, row by row: what {@link smoothedKl} compares with. */
export type SmoothedDensity = Float64Array;

/**
 * A class of a mixture after the noise.
 *
 *     p = Σ_k w_k N(x; m_k, v + h²)
 */
export function smoothedDensity(law: Law, c: number): SmoothedDensity {
  const total = law.variance + smoothing ** 2;
  const at = Float64Array.from({ length: across }, (_, i) => -extent + i * cell);
  const modes = modesOf(law, c).map(({ centre: [x, y], share }) => ({
    x: at.map((place) => -((place - x) ** 2) / (2 * total)),
    y: at.map((place) => Math.log(share) - (place - y) ** 2 / (2 * total)),
  }));
  const factors = modes.map(({ x, y }) => ({ x: x.map(Math.exp), y: y.map(Math.exp) }));
  const norm = Math.log(2 * Math.PI * total);
  const density = new Float64Array(across * across);
  for (let row = 0; row < across; row++)
    for (let column = 0; column < across; column++) {
      let sum = 0;
      for (const { x, y } of factors) sum += (x[column] as number) * (y[row] as number);
      const log =
        sum > 1e-290 ? Math.log(sum) : logSum(modes.map(({ x, y }) => (x[column] as number) + (y[row] as number)));
      density[row * across + column] = log - norm;
    }
  return density;
}

/** `log Σ exp` where the sum itself is too small for a number. */
function logSum(exponents: readonly number[]): number {
  const top = Math.max(...exponents);
  return top + Math.log(exponents.reduce((sum, e) => sum + Math.exp(e - top), 0));
}

/**
 * KL(q ‖ p) in nats: q the law of the points, p a class of a mixture, each convolved with N(0, {@link smoothing}²).
 *
 *     q = Σ_i mass_i N(x; point_i, h²),   KL = ∫ q log(q / p)
 *
 * Convolved laws have densities whatever a generator does to the plane, and what is left of the divergence is at most the
 * one without noise. The integral is a sum over cells of h/3. Points are shared among the four nearest cells and the kernel
 * is narrowed by the variance that this adds, so that against Gaussians in closed form the sum is right to 0.5 %; what
 * `count` random points add is about (area of the law)/(8π h² count): 1e-3 nats for 2^16 of the ring's.
 *
 * @param points - x and y in turn.
 * @param density - p.
 * @param masses - of each point, summing to 1; the same for all where absent.
 */
export function smoothedKl(points: ArrayLike<number>, density: SmoothedDensity, masses?: ArrayLike<number>): number {
  const q = smoothedMass(points, masses);
  const logCell = 2 * Math.log(cell);
  let kl = 0;
  q.forEach((mass, i) => {
    if (mass >= 1e-300) kl += mass * (Math.log(mass) - logCell - (density[i] as number));
  });
  return kl;
}

/**
 * Share of a law's mass that {@link smoothedKl} does not weigh where it is: points outside the square of half side 4, which
 * count at its edge, and those so near the edge that the noise carries them out. The divergence is too small by what is left out.
 *
 * @param points - x and y in turn.
 */
export function clippedShare(points: ArrayLike<number>, masses: ArrayLike<number>): number {
  const inner = extent - 6 * smoothing;
  let share = 0;
  for (let i = 0; i < masses.length; i++)
    if (Math.max(Math.abs(points[2 * i] as number), Math.abs(points[2 * i + 1] as number)) > inner)
      share += masses[i] as number;
  return share;
}

/** Mass of each cell under the points' law after the noise, row by row. */
function smoothedMass(points: ArrayLike<number>, masses: ArrayLike<number> | undefined): Float64Array {
  const mass = new Float64Array(across * across);
  const count = points.length / 2;
  const place = (value: number) => Math.min(across - 1.001, Math.max(0, (value + extent) / cell));
  const put = (at: number, share: number) => {
    mass[at] = (mass[at] as number) + share;
  };
  for (let i = 0; i < count; i++) {
    const own = masses ? (masses[i] as number) : 1 / count;
    const [x, y] = [place(points[2 * i] as number), place(points[2 * i + 1] as number)];
    const [column, row] = [Math.floor(x), Math.floor(y)];
    const [right, down] = [x - column, y - row];
    const at = row * across + column;
    put(at, (1 - right) * (1 - down) * own);
    put(at + 1, right * (1 - down) * own);
    put(at + across, (1 - right) * down * own);
    put(at + across + 1, right * down * own);
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
