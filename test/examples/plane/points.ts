import { modesOf, ring } from "../../../examples/plane/law";
import { randomStream } from "../../../src/core";

/** Points of N(centre, deviation²), at the quantiles of a polar grid: no chance in them. */
export function gaussian(
  centre: readonly [number, number],
  deviation: number,
  rings = 400,
  spokes = 256,
): Float64Array {
  const points: number[] = [];
  for (let i = 0; i < rings; i++)
    for (let j = 0; j < spokes; j++) {
      const radius = deviation * Math.sqrt(-2 * Math.log(1 - (i + 0.5) / rings));
      const angle = (2 * Math.PI * (j + 0.37 * i)) / spokes;
      points.push(centre[0] + radius * Math.cos(angle), centre[1] + radius * Math.sin(angle));
    }
  return Float64Array.from(points);
}

/** A class's own points, each Gaussian as often as it occurs. */
export function mixture(c: number, count: number, seed = 3): Float64Array {
  const stream = randomStream(seed);
  const modes = modesOf(ring, c);
  const which = stream.uniform(count);
  const normals = stream.normals(2 * count);
  const bounds = modes.map((_, k) => modes.slice(0, k + 1).reduce((sum, { share }) => sum + share, 0));
  return Float64Array.from(normals, (z, i) => {
    const at = which[i >> 1] as number;
    const k = bounds.findIndex((bound) => at < bound);
    return (modes[k < 0 ? modes.length - 1 : k]?.centre[i % 2] ?? 0) + Math.sqrt(ring.variance) * z;
  });
}
