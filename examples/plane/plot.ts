/** A point or a vector in the plane. */
export type Point = readonly [x: number, y: number];

/** Dots of one colour. */
export interface Dots {
  readonly points: readonly Point[];
  readonly colour: string;
}

/** One square panel of the picture: dots in layers, arrows on top. */
export interface Panel {
  readonly title: string;
  /** A second line, in small print. */
  readonly note?: string;
  readonly dots?: readonly Dots[];
  readonly arrows?: readonly { readonly from: Point; readonly vector: Point; readonly colour: string }[];
}

/** How panels are laid out. */
export interface Layout {
  /** Half the side of the square that each panel shows. */
  readonly extent: number;
  /** Panels side by side. */
  readonly columns: number;
  /** Side of a panel. */
  readonly size: number;
  /** Lines below all panels. */
  readonly caption?: readonly string[];
}

const margin = 14;
const header = 36;
const line = 18;

/** Draws panels in rows as an SVG; every panel shows the square `[-extent, extent]²`. */
export function plotPanels(panels: readonly Panel[], { extent, columns, size, caption = [] }: Layout): string {
  const rows = Math.ceil(panels.length / columns);
  const width = columns * (size + margin) + margin;
  const height = rows * (size + header) + margin + caption.length * line;
  const place = ([x, y]: Point): Point => [((x + extent) / (2 * extent)) * size, ((extent - y) / (2 * extent)) * size];
  const body = panels.map((panel, i) => {
    const left = margin + (i % columns) * (size + margin);
    const top = header + Math.floor(i / columns) * (size + header);
    const marks = [
      ...(panel.dots ?? []).map(({ points, colour }) => dots(points.filter(inside(extent)).map(place), colour)),
      ...(panel.arrows ?? []).map(({ from, vector, colour }) => arrow(place(from), vector, colour)),
    ];
    return `<g transform="translate(${left},${top})">${text(0, -19, panel.title, 13)}${text(0, -5, panel.note ?? "", 11)}<rect width="${size}" height="${size}" fill="#fff" stroke="#ccc"/>${marks.join("")}</g>`;
  });
  const below = caption.map((words, i) =>
    text(margin, height - margin / 2 - (caption.length - 1 - i) * line, words, 12),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif"><rect width="100%" height="100%" fill="#fafafa"/>${[...body, ...below].join("\n")}</svg>\n`;
}

function inside(extent: number): (point: Point) => boolean {
  return ([x, y]) => Math.abs(x) < extent && Math.abs(y) < extent;
}

/** All dots of a layer as one path of round caps, which keeps the file small. */
function dots(points: readonly Point[], colour: string): string {
  const path = points.map(([x, y]) => `M${(10 * x).toFixed(0)} ${(10 * y).toFixed(0)}h0`).join("");
  return `<path transform="scale(.1)" d="${path}" stroke="${colour}" stroke-width="28" stroke-linecap="round" stroke-opacity=".6"/>`;
}

/** An arrow whose length saturates, so that one large vector does not hide the field. */
function arrow([x, y]: Point, [vx, vy]: Point, colour: string): string {
  const length = Math.hypot(vx, vy);
  const scale = (9 * Math.tanh(length)) / (length || 1);
  const end = [x + vx * scale, y - vy * scale] as const;
  return `<line x1="${x.toFixed(1)}" y1="${y.toFixed(1)}" x2="${end[0].toFixed(1)}" y2="${end[1].toFixed(1)}" stroke="${colour}"/><circle cx="${end[0].toFixed(1)}" cy="${end[1].toFixed(1)}" r="1.3" fill="${colour}"/>`;
}

function text(x: number, y: number, words: string, size: number): string {
  const safe = words.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x}" y="${y}" font-size="${size}">${safe}</text>`;
}
