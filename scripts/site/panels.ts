/** The panels of a sheet that examples/plane draws, each as a picture of its own. */
import { readFileSync } from "node:fs";

export interface Panel {
  readonly title: string;
  /** The small line under the title. */
  readonly note: string;
  readonly file: string;
  readonly svg: string;
}

/** Cuts a sheet of `<g transform="translate(x,y)">` with two lines of text and a square of 190 each. */
export function cutPanels(sheet: string): Panel[] {
  const text = readFileSync(sheet, "utf8");
  const groups = text.split(/(?=<g transform="translate\()/).slice(1);
  const panels = groups.map((group): Panel => {
    const [title = "", note = ""] = [...group.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, line]) => line ?? "");
    const inner = group
      .trimEnd()
      .replace(/\s*<\/svg>$/, "")
      .replace(/^<g transform="[^"]*"/, '<g transform="translate(6,34)"');
    return {
      title,
      note,
      file: `${title.toLowerCase().replace(/[^a-z\d]+/g, "-")}.svg`,
      svg: `<svg xmlns="http://www.w3.org/2000/svg" width="202" height="230" viewBox="0 0 202 230" font-family="sans-serif"><rect width="100%" height="100%" fill="#fafafa"/>${inner}</svg>\n`,
    };
  });
  if (panels.length === 0) throw new Error(`${sheet}: no panels`);
  return panels;
}
