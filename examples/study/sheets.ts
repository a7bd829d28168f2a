import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runFolder } from "../experiments/runs";
import { encodePng } from "../text-to-image/canvas";
import { type Block, drawGrid } from "../text-to-image/picture";
import type { PicturesOf } from "../text-to-image/samples";
import { cutStrip } from "./strips";

/** What stands in a sheet: a run's pictures under a title, of which what follows a comma is a line of its own. */
export interface Column {
  readonly name: string;
  readonly title: string;
  readonly isSubject: boolean;
}

/** The runs' strips of seed 0 side by side, as a PNG; undefined where one is missing. */
export function drawSheet(world: PicturesOf, runs: string, columns: readonly Column[]): Uint8Array | undefined {
  const { prompts, pictures, sceneOf, isHeldOut } = world;
  const paths = columns.map(({ name }) => join(runFolder(runs, { name, seed: 0 }), "strip.png"));
  if (!paths.every((path) => existsSync(path))) return undefined;
  const rows = prompts.map((caption) => {
    const scene = sceneOf(caption);
    return { caption, isHeldOut: scene !== undefined && isHeldOut(scene) };
  });
  const blocks = columns.map((column, i): Block => {
    const [title = "", ...notes] = spelt(column.title).split(", ");
    return {
      ...{ title, note: notes.join(", "), isSubject: column.isSubject },
      pictures: cutStrip(readFileSync(paths[i] as string), pictures.size),
    };
  });
  return encodePng(drawGrid(pictures, rows, blocks));
}

/** In the letters that the sheets' font has. */
function spelt(title: string): string {
  return title
    .replace("κ1 = κ2 =", "kappa 1 and 2 at")
    .replace("κ4 =", "kappa 4 at")
    .replace("κ2 =", "kappa 2 at")
    .replace("κ =", "kappa")
    .replace("α =", "alpha")
    .replace("−", "minus ")
    .replace("–", "-");
}
