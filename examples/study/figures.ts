import { type FeatureStatistics, featureStatistics, frechetDistance } from "sid-lsg/metrics";
import type { Verdict } from "../text-to-image/classifier";
import { countRight, type Group } from "../text-to-image/measure";
import type { GroupName, Scene } from "../text-to-image/world";

/** What was measured of one way to make pictures, for one group of captions; `null` where its pictures were not finite. */
export interface GroupFigures extends Distances {
  /** Share of pictures in which the judge reads each aspect as the caption's, and in which all of them. */
  readonly right: Readonly<Record<string, number>>;
  readonly allRight: number;
}

/** How far its pictures' features are from those of real pictures. */
export interface Distances {
  readonly frechetDistance: number | null;
}

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

export function figuresOf(verdict: Verdict, group: Group): GroupFigures {
  const { scenes } = group;
  const { byAspect, all } = countRight(verdict.read, scenes as readonly Scene[]);
  const right = Object.entries(byAspect).map(([aspect, hits]) => [aspect, hits / scenes.length]);
  const reference = { statistics: group.reference, features: group.referenceFeatures };
  return {
    right: Object.fromEntries(right),
    allRight: all / scenes.length,
    ...distances(verdict.features, reference),
  };
}

/** All that features alone tell: it can be taken again from those that a run has kept. */
export function distances(features: Float32Array, { statistics }: Reference): Distances {
  if (!features.every(Number.isFinite)) return { frechetDistance: null };
  return { frechetDistance: frechetDistance(featureStatistics(features, statistics.mean.length), statistics) };
}
