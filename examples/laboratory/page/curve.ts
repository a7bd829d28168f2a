/** Small curves of figures over iterations. */

/** A figure's history; `NaN` where it was not there. */
export interface History {
  readonly iterations: number[];
  readonly values: number[];
}

/** More points than these are thinned by half. */
const mostPoints = 600;

/** Adds a value, once for an iteration. */
export function record({ iterations, values }: History, iteration: number, value: number): void {
  if (iterations.at(-1) === iteration) {
    values[values.length - 1] = value;
    return;
  }
  iterations.push(iteration);
  values.push(value);
  if (iterations.length <= mostPoints) return;
  for (const list of [iterations, values]) list.splice(0, list.length, ...list.filter((_, i) => i % 2 === 0));
}

export interface CurveOptions {
  /** The last iteration that there will be. */
  readonly iterations: number;
  /** Whether values stand on a logarithmic axis, which begins at `floor`. */
  readonly floor?: number;
  readonly colours: readonly string[];
  readonly grid: string;
}

/** The lowest and highest of an axis for these values; a logarithm's where `floor` is given. */
export function axisOf(values: readonly number[], floor?: number): readonly [number, number] {
  const finite = values.filter(Number.isFinite);
  if (floor !== undefined) {
    const most = Math.max(floor * 10, ...finite);
    const least = Math.max(floor, Math.min(most / 10, ...finite));
    return [Math.log(least), Math.log(most)];
  }
  const [least, most] = [Math.min(0, ...finite), Math.max(0, ...finite)];
  return least === most ? [least - 1, most + 1] : [least, most];
}

/** Draws histories over each other: the first as a line, the second dashed. */
export function drawCurve(
  canvas: HTMLCanvasElement,
  histories: readonly History[],
  { iterations, floor, colours, grid }: CurveOptions,
): void {
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  const fine = Math.min(devicePixelRatio, 2);
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = Math.round(width * fine);
  canvas.height = Math.round(height * fine);
  context.scale(fine, fine);
  const [least, most] = axisOf(
    histories.flatMap(({ values }) => values),
    floor,
  );
  const x = (iteration: number) => 2 + ((width - 6) * iteration) / iterations;
  const y = (value: number) => {
    const at = floor === undefined ? value : Math.log(Math.max(floor, value));
    return 3 + (height - 6) * (1 - (at - least) / (most - least));
  };
  context.strokeStyle = grid;
  context.lineWidth = 1;
  context.beginPath();
  // The line of 0, or of the floor.
  context.moveTo(2, y(floor ?? 0));
  context.lineTo(width - 4, y(floor ?? 0));
  context.stroke();
  context.lineWidth = 1.6;
  context.lineJoin = "round";
  for (const [k, history] of histories.entries()) {
    context.strokeStyle = colours[k] ?? grid;
    context.setLineDash(k === 0 ? [] : [5, 3]);
    context.beginPath();
    let begun = false;
    for (const [i, value] of history.values.entries()) {
      if (!Number.isFinite(value)) begun = false;
      else {
        const to = [x(history.iterations[i] as number), y(value)] as const;
        if (begun) context.lineTo(...to);
        else context.moveTo(...to);
        begun = true;
      }
    }
    context.stroke();
  }
  context.setLineDash([]);
}
