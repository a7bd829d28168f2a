import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { filesUnder } from "../../../scripts/site/files";

// As Windows writes them.
vi.mock("node:fs", async (original) => {
  const fs = await original<typeof import("node:fs")>();
  const readdirSync = (...all: Parameters<typeof fs.readdirSync>) =>
    fs.readdirSync(...all).map((path) => String(path).replaceAll("/", "\\"));
  return { ...fs, readdirSync };
});

test("files are named from the folder with slashes, on any system", () => {
  const folder = mkdtempSync(join(tmpdir(), "sid-lsg-files-"));
  mkdirSync(join(folder, "guide/more"), { recursive: true });
  writeFileSync(join(folder, "guide/more/index.html"), "");
  expect(filesUnder(folder).sort()).toEqual(["guide", "guide/more", "guide/more/index.html"]);
  rmSync(folder, { recursive: true });
});
