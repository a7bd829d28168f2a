/** One curve: a title and its points over the iterations. */
export interface Curve {
  readonly title: string;
  /** What may be read off it, below the title. */
  readonly note?: string;
  /** A value to compare with: a dashed line. */
  readonly mark?: { readonly label: string; readonly value: number };
  readonly points: readonly (readonly [iteration: number, value: number])[];
  /** Logarithmic value axis. Needs positive values. */
  readonly logarithmic?: boolean;
}

const width = 360;
const height = 216;
const inset = { left: 56, right: 16, top: 50, bottom: 30 };

/** Curves side by side as an SVG picture, each with its own axes. */
export function drawCurves(curves: readonly Curve[]): string {
  const panels = curves.map((curve, i) => `<g transform="translate(${i * width} 0)">${panel(curve)}</g>`);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${curves.length * width}" height="${height}" font-family="sans-serif" font-size="11">
<rect width="100%" height="100%" fill="white"/>
${panels.join("\n")}
</svg>
`;
}

function panel({ title, note = "", mark, points, logarithmic = false }: Curve): string {
  const heading = `<text x="${inset.left}" y="20" font-size="13">${title}</text>
<text x="${inset.left}" y="37" fill="#666">${note}</text>`;
  if (points.length === 0) return heading;
  const lift = logarithmic ? Math.log10 : (value: number) => value;
  const values = points.map(([, value]) => lift(value));
  const shown = mark ? [...values, lift(mark.value)] : values;
  const [low, high] = [Math.min(...shown), Math.max(...shown)];
  const lastIteration = Math.max(...points.map(([iteration]) => iteration));
  const x = (iteration: number) => inset.left + (iteration / lastIteration) * (width - inset.left - inset.right);
  const y = (value: number) =>
    inset.top + (1 - (value - low) / (high - low || 1)) * (height - inset.top - inset.bottom);
  const path = points.map(([iteration], i) => `${x(iteration).toFixed(1)},${y(values[i] ?? 0).toFixed(1)}`).join(" ");
  const ticks = [low, (low + high) / 2, high].map((value) => {
    const label = Number((logarithmic ? 10 ** value : value).toPrecision(3));
    const at = y(value).toFixed(1);
    return `<line x1="${inset.left}" x2="${width - inset.right}" y1="${at}" y2="${at}" stroke="#ddd"/><text x="${inset.left - 6}" y="${at}" dy="4" text-anchor="end">${label}</text>`;
  });
  return `${heading}
${ticks.join("\n")}${mark ? markLine(mark.label, y(lift(mark.value))) : ""}
<polyline points="${path}" fill="none" stroke="#2563eb" stroke-width="1.5"/>
<text x="${inset.left}" y="${height - 8}">0</text>
<text x="${width - inset.right}" y="${height - 8}" text-anchor="end">iteration ${lastIteration}</text>`;
}

function markLine(label: string, y: number): string {
  const right = width - inset.right;
  const at = y.toFixed(1);
  return `
<line x1="${inset.left}" x2="${right}" y1="${at}" y2="${at}" stroke="#15803d" stroke-dasharray="4 3"/>
<text x="${right}" y="${at}" dy="-4" text-anchor="end" fill="#15803d">${label}</text>`;
}
