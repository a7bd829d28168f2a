/** Which Gaussians of the ring a generator reaches. */
import { modesOf, ring } from "../plane/law";

/** How a class's points are shared among its Gaussians. */
export interface Coverage {
  /** Gaussians that get at least half of what is theirs. */
  readonly covered: number;
  /** Share of points further than three deviations from all Gaussians of their class; 0.011 of the mixture's own. */
  readonly stray: number;
}

/** Counts each point for the nearest Gaussian of its class, unless it strays. */
export function coverageOf(points: ArrayLike<number>, c: number): Coverage {
  const modes = modesOf(ring, c);
  const count = points.length / 2;
  const hits = modes.map(() => 0);
  for (let i = 0; i < count; i++) {
    const squares = modes.map(({ centre: [x, y] }) => {
      return ((points[2 * i] as number) - x) ** 2 + ((points[2 * i + 1] as number) - y) ** 2;
    });
    const nearest = squares.indexOf(Math.min(...squares));
    if ((squares[nearest] as number) <= 9 * ring.variance) hits[nearest] = (hits[nearest] as number) + 1;
  }
  const covered = modes.filter(({ share }, k) => (hits[k] as number) / count >= 0.5 * share).length;
  return { covered, stray: 1 - hits.reduce((a, b) => a + b, 0) / count };
}
