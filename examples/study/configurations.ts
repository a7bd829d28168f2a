import { antiCfg, type Guidance, longGuidance, lsg, noGuidance, shortGuidance, zeroCfg } from "sid-lsg";

/** What the study varies: the scales, and the α of the score-identity loss. */
export interface Configuration {
  readonly title: string;
  readonly guidance: Guidance;
  readonly alpha: number;
}

/**
 * One axis at a time around LSG at κ = 1.5 and α = 1, which all three share: κ of LSG, where the guidance is, α.
 * Short guidance weakens the fake score by as much as long guidance strengthens the teacher.
 */
export const configurations = {
  none: { title: "no guidance", guidance: noGuidance(), alpha: 1 },
  "lsg-1.15": { title: "LSG, κ = 1.15", guidance: lsg(1.15), alpha: 1 },
  "lsg-1.5": { title: "LSG, κ = 1.5", guidance: lsg(1.5), alpha: 1 },
  "lsg-2": { title: "LSG, κ = 2", guidance: lsg(2), alpha: 1 },
  "lsg-3": { title: "LSG, κ = 3", guidance: lsg(3), alpha: 1 },
  "lsg-4.5": { title: "LSG, κ = 4.5", guidance: lsg(4.5), alpha: 1 },
  long: { title: "long, κ4 = 1.5", guidance: longGuidance(1.5), alpha: 1 },
  short: { title: "short, κ2 = 0.5", guidance: shortGuidance(0.5), alpha: 1 },
  "zero-cfg": { title: "Zero-CFG, κ1 = κ2 = 0", guidance: zeroCfg(), alpha: 1 },
  "anti-cfg": { title: "Anti-CFG, κ1 = κ2 = −0.5", guidance: antiCfg(-0.5), alpha: 1 },
  "alpha-0.5": { title: "LSG, κ = 1.5, α = 0.5", guidance: lsg(1.5), alpha: 0.5 },
  "alpha-1.2": { title: "LSG, κ = 1.5, α = 1.2", guidance: lsg(1.5), alpha: 1.2 },
  "alpha-0.8": { title: "LSG, κ = 1.5, α = 0.8", guidance: lsg(1.5), alpha: 0.8 },
} as const satisfies Readonly<Record<string, Configuration>>;

export type ConfigurationName = keyof typeof configurations;
export const configurationNames = Object.keys(configurations) as ConfigurationName[];

/** What the generators are compared with. They have no seeds. */
export const references = {
  real: "real pictures",
  teacher50: "teacher, 50 steps",
  teacher50Guided: "teacher, 50 steps, κ = 1.5",
  teacher1: "teacher, 1 step",
} as const;

export type ReferenceName = keyof typeof references;
export const referenceNames = Object.keys(references) as ReferenceName[];

/** What a row is called. */
export function titleOf(name: ConfigurationName | ReferenceName): string {
  return name in references ? references[name as ReferenceName] : configurations[name as ConfigurationName].title;
}
