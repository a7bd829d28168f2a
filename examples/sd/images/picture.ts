import { foreign } from "../prompts/foreign";
import { type OpenedPicture, openJpeg } from "./jpeg";
import { openPng } from "./png";

export type { OpenedPicture } from "./jpeg";

/** Other pictures by their first bytes. */
const others: readonly (readonly [RegExp, string])[] = [
  [/^47494638/, "a GIF"],
  [/^52494646.{8}57454250/, "a WebP"],
  [/^424d/, "a BMP"],
  [/^(49492a00|4d4d002a)/, "a TIFF"],
  [/^.{8}66747970(617669|6d696631)/, "an AVIF"],
  [/^.{8}66747970(6865|6d736631)/, "a HEIC"],
  [/^(0000000c4a584c20|ff0a)/, "a JPEG XL"],
  [/^(0000000c6a50|ff4fff51)/, "a JPEG 2000"],
];

/**
 * Opens a PNG or a JPEG, which its bytes tell and not its name, and checks its structure without decoding it.
 * Throws what is wrong with it, as the end of a sentence that begins with its name.
 */
export function openPicture(bytes: Uint8Array): OpenedPicture {
  if (bytes.length === 0) throw new Error("is empty");
  const head = Buffer.from(bytes.subarray(0, 16)).toString("hex");
  if (head.startsWith("89504e470d0a1a0a")) return openPng(bytes);
  if (head.startsWith("ffd8ff")) return openJpeg(bytes);
  const other = others.find(([pattern]) => pattern.test(head))?.[1];
  if (other !== undefined) throw new Error(`is ${other}; convert it to PNG or JPEG`);
  const known = foreign(bytes.subarray(0, 512));
  throw new Error(known === undefined ? "is no PNG or JPEG" : `is no picture but ${known.what}${remedyOf(known)}`);
}

function remedyOf({ what, remedy }: { readonly what: string; readonly remedy: string }): string {
  return /Git-LFS|HTML/.test(what) ? `; ${remedy}` : "";
}
