import { readdirSync } from "node:fs";

/** What lies in a folder and below it, named from there, with / on Windows as well. */
export function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).map((path) => path.replaceAll("\\", "/"));
}
