/** What is distilled: laws in the plane that are prepared, and laws that a reader draws. */
import { SidError } from "sid-lsg";
import { type Law, ring } from "../plane/law";

/** A line drawn in one go, in the colour of its class. A point is two whole numbers from 0 to {@link paper}, x and y (upwards). */
export interface Stroke {
  readonly class: 0 | 1;
  readonly points: readonly (readonly [number, number])[];
}

/** The largest coordinate of a drawing. */
export const paper = 4095;
/** Half the side of the plane that the paper covers. */
export const halfWidth = 1.8;
/** Fewer points than these draw no law. */
export const fewestPoints = 8;
/** More points than these are no drawing, but a load. */
export const mostPoints = 4000;

/** Gaussians of a drawing, at most: the exact score costs in proportion. */
const mostGaussians = 40;
/** Their distance along a stroke where the drawing is short enough for it. */
const spacing = 0.12;
/** Their largest distance: so far apart they fill the paper. */
const widest = (2 * halfWidth) / Math.sqrt(mostGaussians);

/** A place on the paper as a point of the plane. */
export function inPlane([x, y]: readonly [number, number]): [number, number] {
  return [(2 * x) / paper - 1, (2 * y) / paper - 1].map((u) => u * halfWidth) as [number, number];
}

/** A point of the plane as the nearest place on the paper. */
export function onPaper([x, y]: readonly [number, number]): [number, number] {
  const place = (u: number) => Math.round((Math.min(1, Math.max(-1, u / halfWidth)) + 1) * (paper / 2));
  return [place(x), place(y)];
}

/**
 * A drawing as a mixture of Gaussians: equally far along the strokes, each as likely as the others, wide enough to flow
 * into each other. So its score is known exactly.
 *
 * @throws SidError `invalid-argument` for fewer than {@link fewestPoints} points or more than {@link mostPoints}, `out-of-range` for points beside the paper.
 */
export function drawnLaw(strokes: readonly Stroke[]): Law {
  checkStrokes(strokes);
  const lines = strokes.map(({ class: c, points }) => ({ c, points: points.map(inPlane) }));
  const step = stepOf(lines.map(({ points }) => lengthOf(points)));
  const placed = lines.flatMap(({ c, points }) => along(points, step).map((mean) => ({ c, mean })));
  // What is more than can be afforded is left out evenly.
  const kept = placed.filter(
    (_, i) => placed.length <= mostGaussians || (i * mostGaussians) % placed.length < mostGaussians,
  );
  const first = kept.some(({ c }) => c === 0);
  return {
    weights: kept.map(() => 1),
    means: kept.map(({ mean }) => mean),
    variance: (0.6 * step) ** 2,
    // One class is class 0, whatever its colour.
    classes: kept.map(({ c }) => (first ? c : 0)),
  };
}

/** The smallest step at which lines of these lengths take no more Gaussians than are affordable, or than there are lines. */
function stepOf(lengths: readonly number[]): number {
  const most = Math.max(mostGaussians, lengths.length);
  const fits = (step: number) => lengths.reduce((sum, length) => sum + Math.floor(length / step) + 1, 0) <= most;
  if (fits(spacing)) return spacing;
  let [low, high] = [spacing, widest];
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    if (fits(middle)) high = middle;
    else low = middle;
  }
  return high;
}

function checkStrokes(strokes: readonly Stroke[]): void {
  const points = strokes.flatMap((stroke) => stroke.points);
  if (points.length < fewestPoints)
    throw new SidError(
      "invalid-argument",
      `The drawing has ${points.length} point${points.length === 1 ? "" : "s"}, and a law wants at least ${fewestPoints}: draw a line, or more dots.`,
    );
  if (points.length > mostPoints)
    throw new SidError(
      "invalid-argument",
      `The drawing has ${points.length} points, more than the ${mostPoints} it may have.`,
    );
  for (const place of points.flat())
    if (!(Number.isInteger(place) && place >= 0 && place <= paper))
      throw new SidError(
        "out-of-range",
        `The drawing has a coordinate of ${place}, which is no whole number from 0 to ${paper}.`,
      );
  if (strokes.some((stroke) => stroke.points.length === 0))
    throw new SidError("invalid-argument", "The drawing has a stroke without points.");
}

const distance = (a: readonly number[], b: readonly number[]) =>
  Math.hypot((a[0] as number) - (b[0] as number), (a[1] as number) - (b[1] as number));

function lengthOf(points: readonly (readonly [number, number])[]): number {
  return points.reduce((sum, point, i) => (i === 0 ? 0 : sum + distance(point, points[i - 1] as [number, number])), 0);
}

/** Points of a line about `step` apart from its first to its last. */
function along(points: readonly (readonly [number, number])[], step: number): (readonly [number, number])[] {
  const length = lengthOf(points);
  const pieces = Math.floor(length / step);
  if (pieces === 0) return [points[Math.floor(points.length / 2)] as readonly [number, number]];
  return Array.from({ length: pieces + 1 }, (_, i) => pointAt(points, (length * i) / pieces));
}

/** The point so far along a line. */
function pointAt(points: readonly (readonly [number, number])[], far: number): readonly [number, number] {
  let rest = far;
  for (const [i, to] of points.entries()) {
    const from = points[i - 1] ?? to;
    const length = distance(from, to);
    if (length > 0 && rest <= length) {
      const u = rest / length;
      return [from[0] + u * (to[0] - from[0]), from[1] + u * (to[1] - from[1])];
    }
    rest -= length;
  }
  return points.at(-1) as readonly [number, number];
}

/** A curve as a stroke. */
function curve(c: 0 | 1, count: number, at: (u: number) => readonly [number, number]): Stroke {
  return { class: c, points: Array.from({ length: count }, (_, i) => onPaper(at(i / (count - 1)))) };
}

const turn = 2 * Math.PI;

const moons = (): Stroke[] => [
  curve(0, 40, (u) => [-0.5 + Math.cos((turn / 2) * u), -0.25 + Math.sin((turn / 2) * u)]),
  curve(1, 40, (u) => [0.5 - Math.cos((turn / 2) * u), 0.25 - Math.sin((turn / 2) * u)]),
];

const spiral = (): Stroke[] =>
  ([0, 1] as const).map((c) =>
    curve(c, 60, (u) => {
      const [radius, angle] = [0.3 + 1.1 * u, (turn / 2) * c + 0.75 * turn * u];
      return [radius * Math.cos(angle), radius * Math.sin(angle)];
    }),
  );

/** The letter α: the loop, and the stroke that crosses it. */
const letter = (): Stroke[] => [
  curve(0, 60, (u) => [-0.35 + 0.75 * Math.cos(turn * u), 0.8 * Math.sin(turn * u)]),
  curve(1, 40, (u) => [0.85 - 0.45 * Math.sin((turn / 2) * u), 1 - 2 * u]),
];

const grid: Law = {
  weights: Array<number>(9).fill(1),
  means: Array.from({ length: 9 }, (_, k) => [1.2 * ((k % 3) - 1), 1.2 * (Math.floor(k / 3) - 1)] as const),
  variance: 0.02,
  classes: Array.from({ length: 9 }, (_, k) => k % 2),
};

const blobs: Law = {
  weights: [2, 1],
  means: [
    [-0.9, 0],
    [0.9, 0],
  ],
  variance: 0.04,
  classes: [0, 0],
};

/** The prepared laws. */
export const preparedLaws = {
  ring,
  moons: drawnLaw(moons()),
  spiral: drawnLaw(spiral()),
  letter: drawnLaw(letter()),
  grid,
  blobs,
} as const satisfies Readonly<Record<string, Law>>;

export type PreparedLaw = keyof typeof preparedLaws;
