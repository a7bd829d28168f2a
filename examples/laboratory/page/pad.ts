/** A drawing as it comes about, as plain data: strokes of two classes, what was before, and a pen that keys move. */
import type { Law } from "../../plane/law";
import { drawnLaw, paper, type Stroke } from "../laws";

/** Two whole numbers from 0 to `paper`, x and y (upwards). */
export type Place = readonly [number, number];

export interface Pad {
  readonly strokes: readonly Stroke[];
  /** Earlier drawings, the last one last. */
  readonly past: readonly (readonly Stroke[])[];
  /** The stroke that is being drawn. */
  readonly open: Stroke | undefined;
  /** The class that is drawn. */
  readonly colour: Stroke["class"];
  readonly pen: Place;
}

/** Points of a stroke are at least so far apart: a drawing shall fit into a link. */
const apart = paper / 100;

/** A pad with a drawing on it, the pen in the middle. */
export function openPad(strokes: readonly Stroke[]): Pad {
  const middle = Math.round(paper / 2);
  return { strokes, past: [], open: undefined, colour: 0, pen: [middle, middle] };
}

const onto = (place: Place): Place => place.map((u) => Math.round(Math.min(paper, Math.max(0, u)))) as unknown as Place;

/** Sets the pen down. */
export function begin(pad: Pad, place: Place): Pad {
  const pen = onto(place);
  return { ...finish(pad), pen, open: { class: pad.colour, points: [pen] } };
}

/** Leads the pen on; it draws where it is down. */
export function lead(pad: Pad, place: Place): Pad {
  const pen = onto(place);
  const { open } = pad;
  const last = open?.points.at(-1);
  if (open === undefined || last === undefined) return { ...pad, pen };
  if (Math.hypot(pen[0] - last[0], pen[1] - last[1]) < apart) return { ...pad, pen };
  return { ...pad, pen, open: { ...open, points: [...open.points, pen] } };
}

/** Lifts the pen: what it drew is part of the drawing. */
export function finish(pad: Pad): Pad {
  const { open, strokes, past } = pad;
  if (open === undefined) return pad;
  return { ...pad, open: undefined, strokes: [...strokes, open], past: [...past, strokes] };
}

/** Takes back the last stroke, or what cleared the drawing. */
export function undo(pad: Pad): Pad {
  if (pad.open) return { ...pad, open: undefined };
  const before = pad.past.at(-1) ?? pad.strokes.slice(0, -1);
  return { ...pad, strokes: before, past: pad.past.slice(0, -1) };
}

/** An empty sheet. */
export function clear(pad: Pad): Pad {
  if (pad.strokes.length === 0) return { ...pad, open: undefined };
  return { ...pad, open: undefined, strokes: [], past: [...pad.past, pad.strokes] };
}

/** Draws with the other colour; a stroke that is open ends. */
export function choose(pad: Pad, colour: Stroke["class"]): Pad {
  return { ...finish(pad), colour };
}

/** What a drawing is worth: its law, or why it is none, in words either way. */
export function worthOf(strokes: readonly Stroke[]): { readonly law: Law | undefined; readonly words: string } {
  const points = strokes.reduce((sum, stroke) => sum + stroke.points.length, 0);
  if (points === 0) return { law: undefined, words: "Draw with the mouse, a finger or a pen. Each colour is a class." };
  try {
    const law = drawnLaw(strokes);
    const classes = new Set(law.classes).size;
    return {
      law,
      words: `${points} points have become a mixture of ${law.means.length} Gaussians, of ${classes === 1 ? "one class" : "two classes"}.`,
    };
  } catch (error) {
    return { law: undefined, words: error instanceof Error ? error.message : String(error) };
  }
}

/** Where the pen is, in words: parts of the width from the left and of the height from below. */
export function penWords({ pen, open, colour }: Pad): string {
  const [x, y] = pen.map((u) => Math.round((100 * u) / paper));
  const down = open === undefined ? "up" : "down";
  return `Pen ${down}, ${x} % from the left, ${y} % from below, ${colour === 0 ? "first" : "second"} class.`;
}
