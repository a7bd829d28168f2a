import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { brokenLinks } from "../../../scripts/site/check";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sid-lsg-check-"));
  mkdirSync(join(folder, "guide"));
  writeFileSync(join(folder, "a.svg"), "");
  writeFileSync(join(folder, "guide/index.html"), '<h1 id="κ">κ</h1><a href="../">up</a>');
});
afterEach(() => rmSync(folder, { recursive: true }));

const check = (html: string) => {
  writeFileSync(join(folder, "index.html"), html);
  return brokenLinks(folder);
};

test("what is there is in order, and a link to another host", () => {
  expect(
    check(
      '<link href="data:x"><img src="a.svg"><a href="guide/#%CE%BA">a</a><a href="./guide/index.html">b</a><a href="https://x">c</a>',
    ),
  ).toEqual([]);
});

test.each([
  ['<a href="gone.html">a</a>', "gone.html is not there"],
  ['<a href="guide/#gone">a</a>', "guide/#gone has no such heading"],
  ['<img src="gone.svg">', "gone.svg is not there"],
  ['<a href="/guide/">a</a>', "/guide/ works in one folder only"],
  ['<script src="https://x/y.js"></script>', "https://x/y.js is of another host"],
])("%s is told", (html, problem) => expect(check(html)).toEqual([`index.html: ${problem}`]));
