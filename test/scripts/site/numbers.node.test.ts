// Numbers that name a committed file are what it holds.
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { givenNumbers } from "../../../scripts/site/given-numbers";
import { staleNumbers, unmarkedNumbers } from "../../../scripts/site/numbers";

const runs = [1, 2, 3].map((kl, seed) => JSON.stringify({ name: "sid", seed, figures: { kl, share: { right: 0.5 } } }));
const files: Readonly<Record<string, string>> = {
  "r.jsonl": `${runs.join("\n")}\n`,
  "t.md": "The KL is 0.70,\nand −.25 besides, in 2,048 ± 3 runs.",
  "b.json": JSON.stringify([{ name: "one, of all", value: 1.416, low: 1.2 }]),
  "o.txt": "calls programs\nall    1782     56\nfrom -1.6 of [1,2] and [2,8,8,320]\n",
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
  '2048<!-- t.md: "2,048 ± 3 runs" -->',
  '−1.6<!-- o.txt: "from -1.6" -->',
  '1,782<!-- o.txt: "all 1782 56" -->',
  '1.42<!-- b.json: "one, of all" value -->',
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
  ['1.6<!-- o.txt: "from -1.6" -->', "1.6 is not in"],
  ['12<!-- o.txt: "of [1,2] and [2,8,8,320]" -->', "12 is not in"],
  ['8320<!-- o.txt: "of [1,2] and [2,8,8,320]" -->', "8320 is not in"],
  ['320<!-- o.txt: "of [1,2] and [2,8,8,320]" -->', "320 is not in"],
  ['0.25<!-- t.md: "−.25 besides" -->', "0.25 is not in"],
  ['.25<!-- t.md: "−.25 besides" -->', ".25 is not in"],
  ['1.43<!-- b.json: "one, of all" value -->', '1.43 is 1.42 by value of "one, of all" in b.json'],
  ['1.42<!-- b.json: "one" value -->', "1.42 is nothing"],
  ['1.42<!-- b.json: "one, of all" high -->', "1.42 is nothing"],
  ['0.14<!-- p.svg: "SIM distance 0.14" -->', 'p.svg does not say "SIM distance 0.14"'],
])("%s is told", (text, problem) => expect(stale(text).join()).toContain(problem));

test.each([
  ["it takes 3.5 GB", [], ["line 1: 3.5 GB names no file that it comes from"]],
  ["some\n4 to 5 seconds, and 12 min", [], ["line 2: 4 to 5 seconds names", "line 2: 12 min names"]],
  ["1.8 times as long, ± 2 %", [], ["1.8 times names", "2 % names"]],
  ["at 2.5 GFLOP/s, 0.62 ×", [], ["2.5 GFLOP/s names", "0.62 × names"]],
  ['it takes 3.5<!-- t.md: "3.5" --> GB and `4 GB` of 3×3 in 2 sets', [], []],
  ["```\n4 GB\n```\n\n    5 GB\n\n<!-- table: x of y -->\n| 6 GB |\n<!-- end of table -->\n", [], []],
  ["a limit of\n4 GB, not 5 GB", ["limit of 4 GB"], ["line 2: 5 GB names"]],
  ["nothing", ["limit of 4 GB"], ['"limit of 4 GB" is not there']],
  ["a limit", ["a limit"], []],
] as const)("%j, given %j, lacks %j", (text, given, problems) => {
  const found = unmarkedNumbers(text, given);
  expect(found).toHaveLength(problems.length);
  for (const [i, problem] of problems.entries()) expect(found[i]).toContain(problem);
});

const documents = Object.keys(givenNumbers);
test.each(documents)("%s has no stale number, and none that names no file", (page) => {
  const text = readFileSync(page, "utf8");
  expect([...staleNumbers(text), ...unmarkedNumbers(text, givenNumbers[page] as string[])]).toEqual([]);
});

test("no document is left out", () => {
  const written = readdirSync("docs").flatMap((name) => (name.endsWith(".md") ? [`docs/${name}`] : []));
  expect(documents).toEqual(expect.arrayContaining(["README.md", ...written]));
});
