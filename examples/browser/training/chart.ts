/** A curve over iterations, as text and as a picture that grows with its place. */
import { linearScale, logarithmicScale } from "../../text-to-image/scale";

/** A value at an iteration, with half of an interval where there is one. */
export type Point = readonly [iteration: number, value: number, half?: number];

export interface Chart {
  readonly title: string;
  /** What may be read off it. */
  readonly note: string;
  readonly points: readonly Point[];
  /** The iteration at the right end. */
  readonly last: number;
  /** Logarithmic value axis: values of 0 and below are left out. */
  readonly logarithmic?: boolean;
  /** Values that the axis shows in any case. */
  readonly range?: readonly number[];
  /** A value to compare with: a dashed line. */
  readonly mark?: { readonly label: string; readonly value: number };
  /** The value in words. */
  readonly inWords: (value: number) => string;
}

/** The chart as HTML. All its text comes from the program; positions are shares of its width and height. */
export function drawChart({
  title,
  note,
  points,
  last,
  logarithmic = false,
  range = [],
  mark,
  inWords,
}: Chart): string {
  const shown = points.filter(([, value]) => Number.isFinite(value) && (!logarithmic || value > 0));
  const heading = `<figcaption><strong>${title}</strong> <span>${note}</span></figcaption>`;
  const end = shown.at(-1);
  if (end === undefined) return `<figure>${heading}<p class="none">No points yet.</p></figure>`;
  const bounds = shown.flatMap(([, value, half = 0]) => [value - half, value, value + half]);
  const values = [...bounds, ...range, ...(mark ? [mark.value] : [])].filter((value) => !logarithmic || value > 0);
  const scale = logarithmic ? logarithmicScale(values) : linearScale(values, 3);
  const x = (iteration: number) => ((100 * iteration) / Math.max(1, last)).toFixed(2);
  const y = (value: number) => (100 * (1 - scale.place(value))).toFixed(2);
  const line = shown.map(([iteration, value]) => `${x(iteration)},${y(value)}`).join(" ");
  const withHalf = shown.filter(([, , half]) => half !== undefined) as [number, number, number][];
  const band = [
    ...withHalf.map(([iteration, value, half]) => `${x(iteration)},${y(value + half)}`),
    ...withHalf.toReversed().map(([iteration, value, half]) => `${x(iteration)},${y(value - half)}`),
  ].join(" ");
  const ticks = scale.ticks.map((tick) => ({ tick, at: y(tick) }));
  return `<figure>${heading}
<div class="plot" role="img" aria-label="${title}: ${inWords(end[1])} at iteration ${end[0]}">
${ticks.map(({ tick, at }) => `<span class="tick" style="top:${at}%">${tick}</span>`).join("")}
<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">
${ticks.map(({ at }) => `<line class="grid" x2="100" y1="${at}" y2="${at}"/>`).join("")}
${mark ? `<line class="mark" x2="100" y1="${y(mark.value)}" y2="${y(mark.value)}"/>` : ""}
${withHalf.length > 1 ? `<polygon points="${band}"/>` : ""}
<polyline points="${line}"/>
</svg>
${mark ? `<span class="label" style="top:${y(mark.value)}%">${mark.label}</span>` : ""}
<span class="dot" style="left:${x(end[0])}%;top:${y(end[1])}%"></span>
<span class="end">iteration ${last}</span>
</div></figure>`;
}
