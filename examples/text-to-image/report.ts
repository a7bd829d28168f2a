import type { Estimate } from "./intervals";
import type { GroupName } from "./world";

/** What was measured for one way to make pictures. */
export interface Row {
  /** Share of pictures in which the judge reads an aspect as the caption's: object, colour, … */
  readonly right: Readonly<Record<string, Estimate>>;
  /** Share of pictures in which it reads all of them so. */
  readonly allRight: Estimate;
  /** Squared Fréchet distance to real pictures in the judge's features; depends on the number of pictures. */
  readonly frechetDistance: Estimate;
  /** Pictures that were judged. */
  readonly pictures: number;
  /** Passes through the U-Net per picture. */
  readonly networkPasses: number;
}

export type RowName = "real" | "teacher50" | "teacher50Guided" | "teacher1" | "generator";
export type Rows = Record<RowName, Row>;

/** What `report.json` holds. */
export interface Report {
  readonly groups: Readonly<Record<GroupName, Rows>>;
  /** The whole command, by the clock. */
  readonly seconds: number;
  readonly secondsByPhase: Readonly<Record<string, number>>;
  readonly settings: Readonly<Record<string, number | string>>;
}
