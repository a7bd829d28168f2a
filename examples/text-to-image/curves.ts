import { linearScale, logarithmicScale, tiniest } from "./scale";

/** One curve: a title and its points over the iterations. */
export interface Curve {
  readonly title: string;
  /** What may be read off it, below the title. */
  readonly note?: string;
  /** A value to compare with: a dashed line. */
  readonly mark?: { readonly label: string; readonly value: number };
  /** With half of an interval, which is shaded. Values that are no numbers are left out. */
  readonly points: readonly (readonly [iteration: number, value: number, half?: number])[];
  /** Logarithmic value axis: values of 0 and below are left out. */
  readonly logarithmic?: boolean;
  /** Values that the axis shows in any case. */
  readonly range?: readonly [low: number, high: number];
}

const width = 700;
const margin = 18;
const titleSize = 18;
const textSize = 15;
const lineHeight = 20;
/** Room for the numbers left of a plot and below it. */
const axis = { left: 52, bottom: 28 };
/** White around letters, so that lines don't cross them. */
const halo = 'paint-order="stroke" stroke="white" stroke-width="5" stroke-linejoin="round"';
const plotHeight = { first: 210, other: 120 };

/** The first curve over the whole width, the others below in two columns, as an SVG picture. */
export function drawCurves(curves: readonly Curve[]): string {
  let top = margin;
  const parts: string[] = [];
  for (const [row, some] of inRows(curves).entries()) {
    const panelWidth = (width - margin) / some.length - margin;
    const headings = some.map(({ title, note = "" }) => heading(title, note, panelWidth));
    const below = Math.max(...headings.map(({ height }) => height));
    const height = row === 0 ? plotHeight.first : plotHeight.other;
    some.forEach((curve, column) => {
      const left = margin + column * (panelWidth + margin);
      const inside = `${headings[column]?.text}<g transform="translate(${axis.left} ${below})">${plot(curve, panelWidth - axis.left, height)}</g>`;
      parts.push(`<g transform="translate(${left} ${top})">${inside}</g>`);
    });
    top += below + height + axis.bottom + margin;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${top}" width="${width}" height="${top}" font-family="system-ui, sans-serif" font-size="${textSize}" fill="#1f2328">
<rect x="0.5" y="0.5" width="${width - 1}" height="${top - 1}" rx="8" fill="white" stroke="#d0d7de"/>
${parts.join("\n")}
</svg>
`;
}

function inRows(curves: readonly Curve[]): Curve[][] {
  const rows = curves.slice(0, 1).map((curve) => [curve]);
  for (let i = 1; i < curves.length; i += 2) rows.push(curves.slice(i, i + 2));
  return rows;
}

function heading(title: string, note: string, room: number): { readonly text: string; readonly height: number } {
  const lines = [
    ...wrapped(title, room / titleSize).map((line) => ({ line, style: `font-size="${titleSize}" font-weight="600"` })),
    ...wrapped(note, room / textSize).map((line) => ({ line, style: 'fill="#57606a"' })),
  ];
  const text = lines.map(
    ({ line, style }, i) => `<text y="${lineHeight * (i + 0.8)}" ${style}>${escaped(line)}</text>`,
  );
  return { text: text.join(""), height: lineHeight * lines.length + 16 };
}

function plot({ points, mark, logarithmic = false, range }: Curve, wide: number, high: number): string {
  const isShown = (value: number) =>
    Number.isFinite(value) && Math.abs(value) < 1 / tiniest && (!logarithmic || value > tiniest);
  const shown = points.filter(([iteration, value]) => Number.isFinite(iteration) && isShown(value));
  const [lastIteration, lastValue] = shown.at(-1) ?? [];
  if (lastIteration === undefined || lastValue === undefined) return '<text y="24" fill="#57606a">no points yet</text>';
  const marks = mark && isShown(mark.value) ? [mark] : [];
  const intervals = shown.flatMap(([iteration, value, half]): (readonly [number, number, number])[] =>
    half !== undefined && isShown(value - half) && isShown(value + half)
      ? [[iteration, value - half, value + half]]
      : [],
  );
  const values = [
    ...shown.map(([, value]) => value),
    ...intervals.flatMap(([, low, high]) => [low, high]),
    ...marks.map(({ value }) => value),
    ...(range ?? []).filter(isShown),
  ];
  const end = `iteration ${lastIteration}`;
  const upwards = logarithmic ? logarithmicScale(values) : linearScale(values, 4);
  const x = (iteration: number) => ((iteration / (lastIteration || 1)) * wide).toFixed(1);
  const y = (value: number) => ((1 - upwards.place(value)) * high).toFixed(1);
  const line = shown.map(([iteration, value]) => `${x(iteration)},${y(value)}`).join(" ");
  const band = [
    ...intervals.map(([iteration, , high]) => `${x(iteration)},${y(high)}`),
    ...intervals.toReversed().map(([iteration, low]) => `${x(iteration)},${y(low)}`),
  ].join(" ");
  const before = wide - textSize * 0.56 * (end.length + 3); // where a number does not meet the end of the axis
  return [
    ...upwards.ticks.map(
      (value) =>
        `<line x2="${wide}" y1="${y(value)}" y2="${y(value)}" stroke="#e5e7eb"/><text x="-8" y="${y(value)}" dy="5" text-anchor="end" fill="#57606a">${value}</text>`,
    ),
    ...linearScale([0, lastIteration], 5)
      .ticks.filter((iteration) => Number(x(iteration)) < before)
      .map((tick) => `<text x="${x(tick)}" y="${high + 22}" text-anchor="middle" fill="#57606a">${tick}</text>`),
    `<text x="${wide}" y="${high + 22}" text-anchor="end" fill="#57606a">${end}</text>`,
    ...marks.map(
      ({ label, value }) =>
        `<text x="6" y="${y(value)}" dy="-6" fill="#15803d" ${halo}>${escaped(label)}</text><line x2="${wide}" y1="${y(value)}" y2="${y(value)}" stroke="#15803d" stroke-width="1.5" stroke-dasharray="6 4"/>`,
    ),
    ...(intervals.length > 1 ? [`<polygon points="${band}" fill="#2563eb" fill-opacity="0.2"/>`] : []),
    `<polyline points="${line}" fill="none" stroke="#2563eb" stroke-width="2" stroke-linejoin="round"/>`,
    `<circle cx="${x(lastIteration)}" cy="${y(lastValue)}" r="4" fill="#2563eb"/>`,
    `<text x="${x(lastIteration)}" y="${y(lastValue)}" dx="-4" dy="-10" text-anchor="end" fill="#2563eb" font-weight="600" ${halo}>${Number(lastValue.toPrecision(3))}</text>`,
  ].join("");
}

/** Breaks a text into lines of at most so many sizes of a letter; what one word is too long by goes on below. */
function wrapped(text: string, sizes: number): string[] {
  const most = Math.floor(sizes / 0.56); // letters of a sans-serif are half as wide as high
  const words = text.split(/\s+/).flatMap((word) => word.match(new RegExp(`.{1,${most}}`, "gu")) ?? []);
  const lines: string[] = [];
  for (const word of words) {
    const longer = [...lines.slice(-1), word].join(" ");
    if (lines.length > 0 && longer.length <= most) lines.splice(-1, 1, longer);
    else lines.push(word);
  }
  return lines;
}

function escaped(text: string): string {
  const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  // XML has no way to write controls and halves of pairs.
  return text
    .replace(/\p{Cc}|\p{Cs}|\p{Noncharacter_Code_Point}/gu, "\ufffd")
    .replace(/[&<>"]/g, (c) => entities[c] ?? c);
}
