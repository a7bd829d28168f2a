/** What the figures of the progress line mean, and which of them may be compared with what. */
export function explainFigures(captions: number, realDistance: number): string[] {
  return [
    `distance: Fréchet distance to real pictures on the table's ${captions} captions, which should fall; as many real`,
    `  pictures are at ${realDistance.toFixed(1)}. words: share of pictures with every word right, which should rise.`,
    "KL: at least so many nats between the generator and the unguided teacher, as the fake score sees them: near 0 at",
    "  first, when it has learnt nothing, then up, then down as the generator gets better; under guidance not to 0.",
    "fake loss tells trouble, not progress: what it denoises changes.",
  ];
}

/** What the curves say below their titles. */
export const notes = {
  distance: (captions: number) => `on ${captions} captions; down is better`,
  allRight: (captions: number) => `share of ${captions} pictures; up is better`,
  divergence: "at least so many, with a 95 % interval; near 0 until the fake score has learnt, then down is better",
  deltaSquared: "no measure of progress: may rise while pictures improve",
  fakeLoss: "no measure of progress: what it denoises changes",
  generatorLoss: "no measure of progress: may be negative",
} as const;
