import { type Law, modesOf } from "./law";

/** How a class's points are shared among its Gaussians. */
export interface Coverage {
  /** Gaussians that get at least half of what is theirs. */
  readonly covered: number;
  /** Share of points further than three deviations from all Gaussians of their class; 0.011 of the mixture's own. */
  readonly stray: number;
}

/**
 * Counts each point for the nearest Gaussian of its class, unless it strays.
 *
 * @param points - x and y in turn.
 * @param masses - of each point, summing to 1; the same for all where absent.
 */
export function coverageOf(points: ArrayLike<number>, law: Law, c: number, masses?: ArrayLike<number>): Coverage {
  const modes = modesOf(law, c);
  const count = points.length / 2;
  const hits = modes.map(() => 0);
  let within = 0;
  for (let i = 0; i < count; i++) {
    const [x, y] = [points[2 * i] as number, points[2 * i + 1] as number];
    let nearest = 0;
    let least = Number.POSITIVE_INFINITY;
    for (const [k, { centre }] of modes.entries()) {
      const square = (x - centre[0]) ** 2 + (y - centre[1]) ** 2;
      if (square < least) [nearest, least] = [k, square];
    }
    if (least > 9 * law.variance) continue;
    const mass = masses ? (masses[i] as number) : 1;
    hits[nearest] = (hits[nearest] as number) + mass;
    within += mass;
  }
  const total = masses ? 1 : count;
  const covered = modes.filter(({ share }, k) => (hits[k] as number) / total >= 0.5 * share).length;
  return { covered, stray: 1 - within / total };
}
