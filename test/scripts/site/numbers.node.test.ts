// Numbers that name a committed file are what it holds.
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { staleNumbers } from "../../../scripts/site/numbers";

const runs = [1, 2, 3].map((kl, seed) => JSON.stringify({ name: "sid", seed, figures: { kl, share: { right: 0.5 } } }));
const files: Readonly<Record<string, string>> = {
  "r.jsonl": `${runs.join("\n")}\n`,
  "t.md": "The KL is 0.70,\nand −.25 besides, in 2,048 ± 3 runs.",
  "p.svg": '<text x="1">SiD</text><text y="4">distance 0.14, spread 1.00</text>',
};
const stale = (text: string) => staleNumbers(text, (file) => files[file]);

test.each([
  "2.0<!-- r.jsonl sid kl -->",
  "2.00 ± 2.48<!-- r.jsonl sid kl -->",
  "50.0 %<!-- r.jsonl sid share.right -->",
  '0.70<!-- t.md: "KL is 0.70, and" -->',
  '0.14<!-- p.svg: "SiD distance 0.14, spread 1.00" -->',
  '2,048<!-- t.md: "2,048 ± 3 runs" -->',
])("%s is right", (text) => expect(stale(text)).toEqual([]));

test.each([
  ["2.1<!-- r.jsonl sid kl -->", "2.1 is 2.0 by sid kl of r.jsonl"],
  ["2.00 ± 2.49<!-- r.jsonl sid kl -->", "2.00 ± 2.49 is 2.00 ± 2.48"],
  ["2.0<!-- r.jsonl sid loss -->", "2.0 is nothing"],
  ["2.0<!-- r.jsonl dmd kl -->", "2.0 is nothing"],
  ["2.0<!-- gone.jsonl sid kl -->", "there is no gone.jsonl"],
  ["2.0<!-- r.jsonl sid -->", "a mark is not written"],
  ["much<!-- r.jsonl sid kl -->", "no number stands before"],
  ['0.71<!-- t.md: "KL is 0.70" -->', '0.71 is not in "KL is 0.70"'],
  ['0.71<!-- t.md: "KL is 0.71" -->', 't.md does not say "KL is 0.71"'],
  ...["0.1", "4", "14", "1.0", "00"].map((part) => [
    `${part}<!-- p.svg: "SiD distance 0.14, spread 1.00" -->`,
    `${part} is not in`,
  ]),
  ['048<!-- t.md: "2,048 ± 3 runs" -->', "048 is not in"],
  ['0.25<!-- t.md: "−.25 besides" -->', "0.25 is not in"],
  ['.25<!-- t.md: "−.25 besides" -->', ".25 is not in"],
  ['0.14<!-- p.svg: "SIM distance 0.14" -->', 'p.svg does not say "SIM distance 0.14"'],
])("%s is told", (text, problem) => expect(stale(text).join()).toContain(problem));

const documents = ["README.md", ...readdirSync("docs").flatMap((name) => (name.endsWith(".md") ? `docs/${name}` : []))];
test.each(documents)("%s has no stale number", (page) => expect(staleNumbers(readFileSync(page, "utf8"))).toEqual([]));

test("numbers of the README and of what it calls measured are marked", () => {
  const marks = documents.flatMap((page) => readFileSync(page, "utf8").match(/<!-- [\w/.-]+\.(jsonl|svg|md)/g) ?? []);
  expect(marks.length).toBeGreaterThanOrEqual(20);
});
