/** Colours of what is drawn, told apart in light and dark and by colour-blind readers; they are readable as text too. */
import type { TermName } from "./notation";

/** What a colour stands for. */
export type Hue = "sample" | "noisy" | "teacher" | "fake" | "delta" | "gradient";

/** Colours as #rrggbb, and that of the ground below them. */
export type Palette = Readonly<Record<Hue | "ground", string>>;

/** Blue, orange and green are as in the pictures of fields. equation.css has the same. */
export const palettes = {
  light: {
    ...{ sample: "#1a1a1a", noisy: "#757575", teacher: "#2563eb", fake: "#c2410c" },
    ...{ delta: "#0b5d55", gradient: "#9d2480", ground: "#ffffff" },
  },
  dark: {
    ...{ sample: "#f2f2f2", noisy: "#8f8f8f", teacher: "#7aa2ff", fake: "#ff9f5a" },
    ...{ delta: "#4fd1b5", gradient: "#f0a3dc", ground: "#1b1b1f" },
  },
} as const satisfies Readonly<Record<"light" | "dark", Palette>>;

/** The colour of each term. */
export const hues: Readonly<Record<TermName, Hue>> = {
  ...{ generated: "sample", noisy: "noisy", teacher: "teacher", meanDistance: "teacher", conditional: "teacher" },
  ...{ fake: "fake", unconditional: "fake", delta: "delta", alphaDelta: "delta", pull: "delta", slope: "delta" },
  ...{ combination: "sample", weight: "sample", ratio: "sample" },
  ...{ direct: "delta", through: "fake", gradient: "gradient" },
};

/** Lines are told apart by their dashes as well, in pixels. */
export const dashes: Readonly<Record<Hue, readonly number[]>> = {
  ...{ sample: [], noisy: [2, 4], teacher: [], fake: [8, 4], delta: [], gradient: [] },
};
