import {
  type FeatureStatistics,
  featureStatistics,
  frechetDistance,
  kernelDistance,
  type NeighbourMetrics,
  neighbourMetrics,
} from "sid-lsg/metrics";
import { countRight, type Group, type Judged } from "../text-to-image/measure";
import type { GroupName, Scene } from "../text-to-image/world";

/** What was measured of one way to make pictures, for one group of captions; `null` where its pictures were not finite. */
export interface GroupFigures extends Distances {
  /** Share of pictures in which the judge reads each aspect as the caption's, and in which all of them. */
  readonly right: Readonly<Record<string, number>>;
  readonly allRight: number;
}

/** What its pictures' features are beside those of real pictures; all `null` where pictures were not finite. */
export type Distances = Readonly<Record<"frechetDistance" | "kernelDistance" | keyof NeighbourMetrics, number | null>>;

/** Of trained and of held-out captions. */
export type StudyFigures = Readonly<Record<GroupName, GroupFigures>> & {
  /** Means of the distillation's figures over its last quarter; of generators only. */
  readonly training?: Readonly<Record<string, number>>;
};

/** What the distances are taken to. */
export interface Reference {
  readonly statistics: FeatureStatistics;
  /** Features row by row. */
  readonly features: Float32Array;
}

/** What the real pictures of a group are to the judge. */
export function referenceOf({ reference, referenceFeatures }: Group): Reference {
  return { statistics: reference, features: referenceFeatures };
}

export function figuresOf(verdict: Judged, group: Group): GroupFigures {
  const { scenes } = group;
  const { byAspect, all } = countRight(verdict.read, scenes as readonly Scene[]);
  const right = Object.entries(byAspect).map(([aspect, hits]) => [aspect, hits / scenes.length]);
  return {
    right: Object.fromEntries(right),
    allRight: all / scenes.length,
    ...(verdict.isWhole ? distances(verdict.features, referenceOf(group)) : unknown),
  };
}

/** All that features alone tell: it can be taken again from those that a run has kept. */
export function distances(features: Float32Array, { statistics, features: real }: Reference): Distances {
  if (!features.every(Number.isFinite)) return unknown;
  const dimension = statistics.mean.length;
  return {
    frechetDistance: frechetDistance(featureStatistics(features, dimension), statistics),
    kernelDistance: kernelDistance(features, real, { dimension }),
    ...neighbourMetrics(real, features, { dimension, k: neighbours }),
  };
}

/** Which neighbour is the radius of a ball. */
export const neighbours = 5;

const unknown: Distances = {
  ...{ frechetDistance: null, kernelDistance: null },
  ...{ precision: null, recall: null, density: null, coverage: null },
};

/** What is known of pictures that there are none of. */
export const lostFigures: GroupFigures = { right: {}, allRight: 0, ...unknown };
