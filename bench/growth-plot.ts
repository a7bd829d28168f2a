/** What was measured along one axis. */
export interface Series {
  readonly axis: string;
  readonly points: readonly { readonly x: number; readonly seconds: number; readonly megabytes: number }[];
}

const panel = { width: 240, height: 200 };
const gap = 100;
const top = 50;
const curves = [
  { of: "seconds", colour: "#c0392b", label: (y: number) => `${y.toPrecision(2)} s` },
  { of: "megabytes", colour: "#2471a3", label: (y: number) => `${Math.round(y)} MB` },
] as const;

/** Panels side by side, both axes doubling at equal steps: time and memory, each relative to its first point. */
export function plotSeries(series: readonly Series[]): string {
  const ratios = series.flatMap(({ points }) =>
    curves.flatMap(({ of }) => points.map((point) => Math.log2(point[of] / (points[0]?.[of] ?? 1)))),
  );
  const most = Math.max(...ratios);
  const body = series.map(({ axis, points }, i) => {
    const x = (at: number) => (at / (points.length - 1)) * panel.width;
    const y = (ratio: number) => panel.height * (1 - ratio / most);
    const lines = Array.from({ length: Math.floor(most) + 1 }, (_, doublings) => {
      const at = y(doublings).toFixed(1);
      return `<line x1="0" x2="${panel.width}" y1="${at}" y2="${at}" stroke="#e5e5e5"/><text x="-6" y="${at}" dy="4" text-anchor="end" fill="#888">×${2 ** doublings}</text>`;
    });
    const ticks = points.map(
      (point, at) => `<text x="${x(at).toFixed(1)}" y="${panel.height + 36}" text-anchor="middle">${point.x}</text>`,
    );
    const drawn = curves.map(({ of, colour, label }, c) => {
      const places = points.map((point, at) => [x(at), y(Math.log2(point[of] / (points[0]?.[of] ?? 1)))] as const);
      const path = places.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join(" ");
      // Below the lines where they begin, beside them where they end.
      const words = [0, points.length - 1].map((at) => {
        const [px, py] = places[at] as readonly [number, number];
        const [dx, dy] = at === 0 ? [44 * c, 16] : [6, c === 0 ? -2 : 10];
        return `<text x="${(px + dx).toFixed(1)}" y="${(py + dy).toFixed(1)}" fill="${colour}">${label(points[at]?.[of] as number)}</text>`;
      });
      return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>${words.join("")}`;
    });
    return `<g transform="translate(${gap + i * (panel.width + gap)},${top})"><text y="-26" font-size="14">${axis}</text>${[...lines, ...ticks, ...drawn].join("")}</g>`;
  });
  const width = gap + series.length * (panel.width + gap);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${top + panel.height + 50}" font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="#fff"/>${body.join("\n")}</svg>\n`;
}
