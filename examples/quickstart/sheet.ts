import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Stamps, stampsOf } from "./pictures";

/** The pictures as `cut-emoji.ts` cut them. */
export const sheetFile = fileURLToPath(new URL("emoji.png", import.meta.url));

/** Reads the sheet, and tints it. */
export function loadStamps(): Stamps {
  return stampsOf(readFileSync(sheetFile));
}
