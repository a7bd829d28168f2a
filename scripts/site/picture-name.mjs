import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

/** What the landing page's picture is made of. */
export const landingPicture = "docs/images/quickstart.png";

/** The name that the picture has while it is up to date. */
export function pictureName() {
  return `quickstart-${createHash("sha256").update(readFileSync(landingPicture)).digest("hex").slice(0, 8)}.webp`;
}
