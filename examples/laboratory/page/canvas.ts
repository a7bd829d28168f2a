/** Drawing in the plane: a canvas as fine as the screen, and what goes on it. */
import type { Points } from "../views";

/** A square of the plane on a canvas. */
export interface Board {
  readonly canvas: HTMLCanvasElement;
  readonly context: CanvasRenderingContext2D;
  /** Half a side, in the plane. */
  readonly extent: number;
  /** A side, in pixels of CSS. */
  readonly size: number;
  /** A point of the plane in pixels of CSS. */
  readonly toPixels: (x: number, y: number) => readonly [number, number];
  /** Takes the size that the page gives it now, and wipes it. */
  clear(): void;
}

/** A board that shows the plane from −extent to +extent. */
export function makeBoard(canvas: HTMLCanvasElement, extent: number): Board {
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  let size = 0;
  return {
    ...{ canvas, context, extent },
    get size() {
      return size;
    },
    toPixels: (x, y) => [(size / 2) * (1 + x / extent), (size / 2) * (1 - y / extent)],
    clear() {
      size = canvas.clientWidth;
      const fine = Math.min(devicePixelRatio, 2);
      const pixels = Math.round(size * fine);
      if (canvas.width !== pixels || canvas.height !== pixels) {
        canvas.width = pixels;
        canvas.height = pixels;
      }
      context.setTransform(fine, 0, 0, fine, 0, 0);
      context.clearRect(0, 0, size, size);
    },
  };
}

/** The axes, faintly. */
export function drawAxes({ context, size }: Board, colour: string): void {
  context.strokeStyle = colour;
  context.lineWidth = 1;
  context.beginPath();
  for (const [fromX, fromY, toX, toY] of [
    [0, 0.5, 1, 0.5],
    [0.5, 0, 0.5, 1],
  ] as const) {
    context.moveTo(size * fromX, size * fromY);
    context.lineTo(size * toX, size * toY);
  }
  context.stroke();
}

/** A picture over the whole board. */
export function drawShade({ context, size }: Board, shade: HTMLCanvasElement | undefined): void {
  if (shade === undefined) return;
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  context.drawImage(shade, 0, 0, size, size);
}

/** What points are drawn as: class by class. */
export const marks = ["dot", "ring"] as const;

/** Points as dots or rings, `scale` times as far from the middle as they are. */
export function drawPoints(
  { context, toPixels }: Board,
  points: Points,
  { mark, colour, radius, scale = 1 }: { mark: (typeof marks)[number]; colour: string; radius: number; scale?: number },
): void {
  context.beginPath();
  for (let i = 0; i < points.length; i += 2) {
    const [x, y] = toPixels(scale * (points[i] as number), scale * (points[i + 1] as number));
    context.moveTo(x + radius, y);
    context.arc(x, y, radius, 0, 2 * Math.PI);
  }
  if (mark === "dot") {
    context.fillStyle = colour;
    context.fill();
  } else {
    context.strokeStyle = colour;
    context.lineWidth = 1.1;
    context.stroke();
  }
}

/**
 * Arrows from places, none longer than the way to the next one: `|v|/(1 + |v|)` of it.
 *
 * @param gain - how many times larger they are drawn.
 */
export function drawField(
  { context, size, toPixels }: Board,
  places: Points,
  arrows: Float32Array,
  { colour, gain }: { colour: string; gain: number },
): void {
  const across = Math.sqrt(places.length / 2);
  const longest = (1.25 * size) / across;
  context.strokeStyle = colour;
  context.lineWidth = size > 150 ? 1.3 : 1;
  context.lineCap = "round";
  context.beginPath();
  for (let i = 0; i < arrows.length; i += 2) {
    const [dx, dy] = [gain * (arrows[i] as number), -gain * (arrows[i + 1] as number)];
    const length = Math.hypot(dx, dy);
    if (!(length > 0.02)) continue;
    const scale = longest / (1 + length);
    const [x, y] = toPixels(places[i] as number, places[i + 1] as number);
    arrow(context, x - (scale * dx) / 2, y - (scale * dy) / 2, scale * dx, scale * dy);
  }
  context.stroke();
}

/** An arrow as a part of the path. */
function arrow(context: CanvasRenderingContext2D, x: number, y: number, dx: number, dy: number): void {
  const [toX, toY] = [x + dx, y + dy];
  const [headX, headY] = [0.35 * dx, 0.35 * dy];
  context.moveTo(x, y);
  context.lineTo(toX, toY);
  context.moveTo(toX - headX - 0.6 * headY, toY - headY + 0.6 * headX);
  context.lineTo(toX, toY);
  context.lineTo(toX - headX + 0.6 * headY, toY - headY - 0.6 * headX);
}
