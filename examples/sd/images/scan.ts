import { type Dirent, readdirSync, realpathSync, statSync } from "node:fs";
import { extname, join } from "node:path";
import { metadataFiles } from "./metadata";

const readEndings = [".png", ".jpg", ".jpeg", ".jpe", ".jfif"];
const otherEndings = [
  ...[".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif", ".jxl", ".jp2", ".svg"],
  ...[".tar", ".tgz", ".zip", ".parquet", ".arrow"],
];
/** Beside `NAME.png`, the first of them that is there holds its caption. */
const captionEndings = [".txt", ".caption"];

/** What lies in a folder and those below it: paths from it with `/`, in an order that no system changes. */
export interface Found {
  readonly pictures: readonly string[];
  readonly metadata: readonly string[];
  /** Paths of text files that may be captions. */
  readonly texts: ReadonlySet<string>;
  /** How many pictures and archives there are of each ending that is not read. */
  readonly others: ReadonlyMap<string, number>;
}

/** Looks through a folder. Links are followed, what begins with a dot is passed over, as is `__MACOSX` of zip archives. */
export function scanFolder(folder: string): Found {
  const pictures: string[] = [];
  const metadata: string[] = [];
  const texts = new Set<string>();
  const others = new Map<string, number>();
  const enter = (under: string, above: readonly string[]) => {
    const real = realpathSync(join(folder, under));
    // A link to a folder above would never end.
    if (above.includes(real)) return;
    for (const entry of readdirSync(real, { withFileTypes: true })) {
      const { name } = entry;
      if (name.startsWith(".") || name === "__MACOSX") continue;
      const path = under === "" ? name : `${under}/${name}`;
      const kind = kindOf(entry, join(folder, path));
      const ending = extname(name).toLowerCase();
      if (kind === "folder") enter(path, [...above, real]);
      else if (kind !== "file") continue;
      else if (readEndings.includes(ending)) pictures.push(path);
      else if (metadataFiles.includes(name)) metadata.push(path);
      else if (name === "metadata.parquet")
        throw new Error(
          `${path} is not read; write it as metadata.jsonl: read_parquet(…).to_json(…, orient="records", lines=True)`,
        );
      else if (captionEndings.includes(ending)) texts.add(path);
      else if (otherEndings.includes(ending)) others.set(ending, (others.get(ending) ?? 0) + 1);
    }
  };
  enter("", []);
  return { pictures: pictures.sort(), metadata: metadata.sort(), texts, others };
}

/** The text file beside a picture that holds its caption. */
export function captionFile(picture: string, texts: ReadonlySet<string>): string | undefined {
  const stem = picture.slice(0, -extname(picture).length);
  return captionEndings.map((ending) => stem + ending).find((path) => texts.has(path));
}

function kindOf(entry: Dirent, path: string): "file" | "folder" | "none" {
  const stat = entry.isSymbolicLink() ? statSync(path, { throwIfNoEntry: false }) : entry;
  return stat?.isDirectory() ? "folder" : stat?.isFile() ? "file" : "none";
}
