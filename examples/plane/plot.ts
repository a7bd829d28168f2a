/** A point or a vector in the plane. */
export type Point = readonly [x: number, y: number];

/** One square panel of the picture: dots in layers, arrows on top. */
export interface Panel {
  readonly title: string;
  readonly dots?: readonly { readonly points: readonly Point[]; readonly colour: string }[];
  readonly arrows?: readonly { readonly from: Point; readonly vector: Point; readonly colour: string }[];
}

const size = 260;
const margin = 14;
const header = 30;

/** Draws panels side by side; every panel shows the square `[-extent, extent]²`. */
export function plotPanels(panels: readonly Panel[], extent: number): string {
  const width = panels.length * (size + margin) + margin;
  const place = ([x, y]: Point): Point => [((x + extent) / (2 * extent)) * size, ((extent - y) / (2 * extent)) * size];
  const body = panels.map((panel, i) => {
    const marks = [
      ...(panel.dots ?? []).flatMap(({ points, colour }) =>
        points.filter((p) => inside(p, extent)).map((p) => dot(place(p), colour)),
      ),
      ...(panel.arrows ?? []).map(({ from, vector, colour }) => arrow(place(from), vector, colour)),
    ];
    return `<g transform="translate(${margin + i * (size + margin)},${header})"><text x="0" y="-10" font-size="13">${panel.title}</text><rect width="${size}" height="${size}" fill="#fff" stroke="#ccc"/>${marks.join("")}</g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${size + header + margin}" font-family="sans-serif"><rect width="100%" height="100%" fill="#fafafa"/>${body.join("\n")}</svg>\n`;
}

function inside([x, y]: Point, extent: number): boolean {
  return Math.abs(x) < extent && Math.abs(y) < extent;
}

function dot([x, y]: Point, colour: string): string {
  return `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="1.6" fill="${colour}" fill-opacity=".55"/>`;
}

/** An arrow whose length saturates, so that one large vector does not hide the field. */
function arrow([x, y]: Point, [vx, vy]: Point, colour: string): string {
  const length = Math.hypot(vx, vy);
  const scale = (9 * Math.tanh(length)) / (length || 1);
  const end = [x + vx * scale, y - vy * scale] as const;
  return `<line x1="${x.toFixed(1)}" y1="${y.toFixed(1)}" x2="${end[0].toFixed(1)}" y2="${end[1].toFixed(1)}" stroke="${colour}"/><circle cx="${end[0].toFixed(1)}" cy="${end[1].toFixed(1)}" r="1.3" fill="${colour}"/>`;
}
