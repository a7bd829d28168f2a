import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { methodNames } from "../../../../examples/laboratory/methods";
import { linksOf, sources } from "../../../../examples/laboratory/page/sources";
import { stage } from "../../../../scripts/site/stage";

const documents = readFileSync("docs/methods.md", "utf8");
const { files } = stage();

test.each(methodNames)(
  "%s: its code and its test have the function, and pages of the site; the paper is the one cited",
  (method) => {
    const { code, test: proof, paper } = sources[method];
    expect(readFileSync(code.path, "utf8")).toMatch(new RegExp(`^export function ${code.symbol}\\(`, "m"));
    expect(readFileSync(proof.path, "utf8")).toMatch(new RegExp(`\\b${proof.symbol}\\(`));
    for (const { path } of [code, proof]) expect(files.has(`source/${path}.md`), path).toBe(true);
    expect(readFileSync(code.path, "utf8")).toContain(`arXiv:${paper}`);
    expect(documents).toContain(`https://arxiv.org/abs/${paper}`);
    const file = code.path.replace("src/methods/", "");
    expect(documents.split("\n").find((line) => line.endsWith(`\`${file}\` |`))).toContain(`/abs/${paper})`);
  },
);

test("links lead to the place in the file, from any root", () => {
  expect(linksOf("sid-lsg", "http://x/a/").map(({ address }) => address)).toEqual([
    "http://x/a/source/src/methods/sid-lsg.ts.html#:~:text=export%20function%20sidLsg",
    "http://x/a/source/test/methods/sid-family.test.ts.html#:~:text=sidLsg(",
    "https://arxiv.org/abs/2406.01561",
  ]);
});
