/** Checks what was built: every link, anchor, script, style and picture of every page is there, and none is of another host's. */
import { readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { filesUnder } from "./files.ts";

/** What is wrong, a line each. */
export function brokenLinks(folder: string): string[] {
  const files = new Set(filesUnder(folder));
  const pages = new Map(
    [...files].filter((path) => path.endsWith(".html")).map((path) => [path, readFileSync(join(folder, path), "utf8")]),
  );
  const ids = new Map(
    [...pages].map(([path, html]) => [path, new Set([...html.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id))]),
  );
  const problems = new Set<string>();
  for (const [page, html] of pages)
    for (const [, tag, attributes = ""] of html.matchAll(/<(a|img|link|script|source)\b([^>]*)>/g)) {
      const target = / (?:href|src)="([^"]*)"/.exec(attributes)?.[1]?.replaceAll("&amp;", "&");
      if (target === undefined || target.startsWith("data:")) continue;
      if (/^(https?:|mailto:|\/\/)/.test(target)) {
        if (tag !== "a") problems.add(`${page}: ${target} is of another host`);
        continue;
      }
      if (target.startsWith("/")) problems.add(`${page}: ${target} works in one folder only`);
      const [path = "", anchor] = target.split("#");
      const joined = path === "" ? page : posix.join(posix.dirname(page), decodeURI(path));
      const file = joined === "." || joined.endsWith("/") ? posix.join(joined, "index.html") : joined;
      // The page of what is not found is read at any address.
      if (page === "404.html" && tag === "a") continue;
      if (!files.has(file)) problems.add(`${page}: ${target} is not there`);
      // A state of the laboratory is no heading.
      else if (anchor && !anchor.startsWith("v=") && !ids.get(file)?.has(decodeURIComponent(anchor)))
        problems.add(`${page}: ${target} has no such heading`);
    }
  return [...problems];
}
