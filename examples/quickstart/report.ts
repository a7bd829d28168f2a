import type { Gauge } from "./meaning";

/** What was measured for one way to make images. */
export interface Row {
  /** Share of images whose digit the classifier reads as the caption's. */
  readonly digitAccuracy: number;
  /** The same for the colour. */
  readonly colourAccuracy: number;
  /** Squared Fréchet distance to real images in the classifier's features; depends on the number of images. */
  readonly frechetDistance: number;
  /** Passes through the U-Net per image. */
  readonly networkPasses: number;
}

export type RowName = "real" | "teacher50" | "teacher50Guided" | "teacher1" | "generator";
export type Rows = Record<RowName, Row>;

/** What `report.json` holds. */
export interface Report {
  /** Pairs of digit and colour that were trained on, and pairs that never were. */
  readonly groups: { readonly trained: Rows; readonly heldOut: Rows };
  /** The whole command, by the clock. */
  readonly seconds: number;
  readonly secondsByPhase: Readonly<Record<string, number>>;
  readonly captionsPerGroup: number;
  /** What the distances of `history.json` were measured with: they are not comparable with those of `groups`. */
  readonly whileTraining: Gauge;
  readonly settings: Readonly<Record<string, number | string>>;
}
