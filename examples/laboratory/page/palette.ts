/** The colours of what is drawn, as the page's style has them in light and in dark. */

/** Blue is the law and its teacher, orange the generator and the score of its law, the fake one; green is their difference. */
export interface Palette {
  readonly law: string;
  readonly generator: string;
  readonly difference: string;
  /** Lines and letters. */
  readonly ink: string;
  readonly grid: string;
  readonly scheme: "light" | "dark";
}

/** The colours within an element. */
export function paletteOf(element: HTMLElement): Palette {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(`--lab-${name}`).trim();
  return {
    law: colour("law"),
    generator: colour("generator"),
    difference: colour("difference"),
    ink: colour("ink"),
    grid: colour("grid"),
    scheme: document.documentElement.classList.contains("dark") ? "dark" : "light",
  };
}

/** `#rrggbb` as `[red, green, blue]`. */
export function channels(colour: string): number[] {
  return [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
}

/** Calls `act` when the page turns light or dark. Returns what ends that. */
export function onTheme(act: () => void): () => void {
  const observer = new MutationObserver(act);
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
  return () => observer.disconnect();
}
