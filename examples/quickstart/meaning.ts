/** A distance to real images at a look while training, and what such a look takes for it. */
export interface Gauge {
  /** Captions that a look draws. */
  readonly captions: number;
  /** How far as many real images are from all real images, by chance alone. */
  readonly realImages: number;
}

/** How the progress line calls the distance: by its count, which no other number of the run shares. */
export const distanceName = ({ captions }: Gauge): string => `distance(${captions})`;

/** What the figures of the progress line mean, and which of them may be compared with what. */
export function explainFigures(gauge: Gauge, captionsOfTable: number): string[] {
  const { captions, realImages } = gauge;
  const table =
    captions === captionsOfTable
      ? []
      : [
          `  The table at the end takes ${captionsOfTable} captions, and more captions make every distance smaller: compare it`,
          "  with its own rows only.",
        ];
  return [
    `${distanceName(gauge)}: Fréchet distance to real images on ${captions} captions. The figure to watch: it should fall.`,
    `  As many real images are at ${realImages.toFixed(1)}: near that, or below, such a small count tells no more.`,
    ...table,
    "score gap (‖δ‖²) and fake loss tell trouble, not progress: the gap may rise while the pictures get better.",
  ];
}

/** What the curves say below their titles. */
export const notes = {
  distance: ({ captions }: Gauge) => `on ${captions} captions; the one to watch: down is better`,
  deltaSquared: "no measure of progress: may rise while pictures improve",
  fakeLoss: "no measure of progress: what it denoises changes",
  generatorLoss: "no measure of progress: may be negative",
} as const;

/** What stands below the table. */
export function explainTable(captions: number, gauge: Gauge): string[] {
  return [
    `Distances are of ${captions} images to the real images of the same pairs: compare them within one block only.`,
    ...(gauge.captions === captions ? [] : [`Those while training were of ${gauge.captions} images, and so larger.`]),
  ];
}
