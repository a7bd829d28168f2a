/** One curve: a title and its points over the iterations. */
export interface Curve {
  readonly title: string;
  readonly points: readonly (readonly [iteration: number, value: number])[];
  /** Logarithmic value axis. Needs positive values. */
  readonly logarithmic?: boolean;
}

const width = 360;
const height = 200;
const inset = { left: 56, right: 16, top: 34, bottom: 30 };

/** Curves side by side as an SVG picture, each with its own axes. */
export function drawCurves(curves: readonly Curve[]): string {
  const panels = curves.map((curve, i) => `<g transform="translate(${i * width} 0)">${panel(curve)}</g>`);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${curves.length * width}" height="${height}" font-family="sans-serif" font-size="11">
<rect width="100%" height="100%" fill="white"/>
${panels.join("\n")}
</svg>
`;
}

function panel({ title, points, logarithmic = false }: Curve): string {
  const heading = `<text x="${inset.left}" y="20" font-size="13">${title}</text>`;
  if (points.length === 0) return heading;
  const lift = logarithmic ? Math.log10 : (value: number) => value;
  const values = points.map(([, value]) => lift(value));
  const [low, high] = [Math.min(...values), Math.max(...values)];
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
${ticks.join("\n")}
<polyline points="${path}" fill="none" stroke="#2563eb" stroke-width="1.5"/>
<text x="${inset.left}" y="${height - 8}">0</text>
<text x="${width - inset.right}" y="${height - 8}" text-anchor="end">iteration ${lastIteration}</text>`;
}
