/** Descents between Gaussians by several α and by the naive part alone, with a perfect fake score and a lagging one. */
import { ddpmSchedule } from "sid-lsg/schedules";
import type { Path } from "../experiments/chart";
import { type Descent, descend, type Gaussian } from "./gaussian-flow";

const data: Gaussian = { mean: 1, std: 0.7 };
/** Where descents begin: narrower than the data, as wide, and far wider. */
const starts = {
  narrow: { mean: -0.5, std: 0.35 },
  "as wide": { mean: -0.5, std: 0.7 },
  wide: { mean: -0.5, std: 5 },
} as const;
const scores = { perfect: 1, lagging: 0.01 } as const;
const most = 2000;
/** Closer than this to the data, in both, is there. */
const near = 0.05;

/** What is told of a descent. */
export interface FlowFigures {
  readonly mean: number;
  readonly std: number;
  readonly least: number;
  readonly most: number;
  /** Steps until it is near the data for good; as many as were done where it never is. */
  readonly steps: number;
}

/** A descent: its name, its figures, its way. */
export interface Flow {
  readonly name: string;
  readonly figures: FlowFigures;
  readonly path: Path;
}

/** All of them. */
export function alphaFlows(alphas: readonly number[]): Flow[] {
  const schedule = ddpmSchedule({ betaSchedule: "scaled_linear", betaStart: 0.00085, betaEnd: 0.012 });
  const times = Array.from({ length: 25 }, (_, i) => 20 + 40 * i);
  const levels = times.map((t) => ({ alpha: schedule.alpha(t), sigma: schedule.sigma(t) }));
  const rules = [
    { rule: "naive", group: "the naive part alone", naive: 1, answer: 0 },
    ...alphas.map((alpha) => ({ rule: `${alpha}`, group: `α = ${alpha}`, naive: 1 - alpha, answer: 1 })),
  ];
  return Object.entries(scores).flatMap(([score, follows]) =>
    Object.entries(starts).flatMap(([start, law]) =>
      rules.map(({ rule, group, naive, answer }) => {
        const points = way(law, { data, levels, naive, answer, step: 0.05, follows });
        return {
          name: `${score} ${start} ${rule}`.replaceAll(" ", "-"),
          figures: figuresOf(points),
          path: { panel: panelOf(score as keyof typeof scores, start), group, points: thinned(points).map(toPoint) },
        };
      }),
    ),
  );
}

/** The panel of the picture that a descent is in. */
export function panelOf(score: keyof typeof scores, start: string): string {
  return `${score} fake score, begun ${start}`;
}

export const goal = toPoint(data);

function toPoint({ mean, std }: Gaussian) {
  return { x: mean, y: std };
}

function way(start: Gaussian, descent: Descent): Gaussian[] {
  const laws: Gaussian[] = [];
  for (const law of descend(start, descent)) {
    if (laws.length > most || Math.abs(law.mean) > 100) return laws;
    laws.push(law);
  }
  return laws;
}

/** Fewer of them, where they lie close. */
function thinned(laws: readonly Gaussian[]): Gaussian[] {
  const kept: Gaussian[] = [];
  for (const law of laws) {
    const last = kept.at(-1);
    if (!last || Math.hypot(law.mean - last.mean, law.std - last.std) > 0.02) kept.push(law);
  }
  return kept;
}

function figuresOf(laws: readonly Gaussian[]): FlowFigures {
  const stds = laws.map(({ std }) => std);
  const away = laws.findLastIndex(
    ({ mean, std }) => Math.abs(mean - data.mean) > near || Math.abs(std - data.std) > near,
  );
  const end = laws.at(-1) as Gaussian;
  return { ...end, least: Math.min(...stds), most: Math.max(...stds), steps: away + 1 };
}
