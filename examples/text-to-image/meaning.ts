/** What the figures of the progress line mean, and which of them may be compared with what. */
export function explainFigures(captions: number, realDistance: number): string[] {
  return [
    `distance: Fréchet distance to real pictures on the table's ${captions} captions, which should fall; as many real`,
    `  pictures are at ${realDistance.toFixed(1)}. words: share of pictures with every word right, which should rise.`,
    "KL: at least so many nats between the generator and the unguided teacher, as far as the fake score has learnt: near 0",
    "  at first, when it knows nothing, then up, in a short guided run to its end while the pictures get better.",
    "‖δ‖² (in curves.svg) and fake loss tell trouble, not progress: both may rise while the pictures get better.",
  ];
}

/** What the curves say below their titles. */
export const notes = {
  distance: (captions: number) => `on ${captions} captions; down is better`,
  allRight: (captions: number) => `share of ${captions} pictures; up is better`,
  divergence: "at least so many, with a 95 % interval; rises while the fake score learns, then down is better unguided",
  deltaSquared: "no measure of progress: may rise while pictures improve",
  fakeLoss: "no measure of progress: what it denoises changes",
  generatorLoss: "no measure of progress: may be negative",
} as const;
