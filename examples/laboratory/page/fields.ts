/** What the arrows of a field are. */
import type { Fields } from "../views";

/** The three fields that are shown. */
export type FieldName = "teacher" | "fake" | "difference";

/** Below this the noise is too small to divide by. */
const smallest = 0.02;

/**
 * The arrows of a field, x and y in turn: `σ·score = (α·f − x_t)/σ`, which is −ε̂ and of size 1 at any time; for the
 * difference `α·(f_φ − f_ψ)/σ`. Empty where there is none.
 */
export function arrowsOf({ xt, teacher, fake, alpha, sigma }: Fields, name: FieldName): Float32Array {
  const scale = 1 / Math.max(sigma, smallest);
  if (name === "teacher") return teacher.map((f, i) => scale * (alpha * f - (xt[i] as number)));
  if (fake === undefined) return new Float32Array();
  if (name === "fake") return fake.map((f, i) => scale * (alpha * f - (xt[i] as number)));
  return teacher.map((f, i) => scale * alpha * (f - (fake[i] as number)));
}

/** How many times larger arrows are drawn, so that most of them are seen: a power of two, at least 1. */
export function gainOf(arrows: Float32Array): number {
  const sizes = Array.from({ length: arrows.length / 2 }, (_, i) =>
    Math.hypot(arrows[2 * i] as number, arrows[2 * i + 1] as number),
  ).sort((a, b) => a - b);
  const most = sizes[Math.floor(0.9 * sizes.length)] ?? 0;
  if (!(most > 0)) return 1;
  return 2 ** Math.min(6, Math.max(0, Math.floor(Math.log2(1.2 / most))));
}
