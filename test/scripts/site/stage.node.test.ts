import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { changeLinks, headingsOf, promote, sectionsOf } from "../../../scripts/site/markdown";
import { cutPanels } from "../../../scripts/site/panels";
import { setMarkdown, withoutFormulas } from "../../../scripts/site/set-markdown";
import { stage } from "../../../scripts/site/stage";

const { files, sidebar } = stage();
const text = (path: string) => {
  const file = files.get(path);
  if (file === undefined || !("text" in file)) throw new Error(`no page ${path}`);
  return file.text;
};
const methods = [
  "sds",
  "csd",
  "vsd",
  "swiftbrush",
  "diff-instruct",
  "dmd",
  "dmd2",
  "decoupled-dmd",
  "tdm",
  "f-distill",
].concat(["sid", "sid-lsg", "few-step-sid", "sid-dit", "sida", "sim", "lcm", "a-reward"]);

describe.each(methods)("the page of %s", (name) => {
  const page = text(`methods/${name}.md`);

  test("has equation, code, defaults, tests, cost and source", () => {
    expect(page).toMatch(/^ {4}\S.* [=∈←] /m);
    expect(page).toMatch(/^```ts\n/m);
    const headings = headingsOf(page).map(({ title }) => title);
    expect(headings).toEqual(expect.arrayContaining(["Tests that hold it to that", "What it costs", "Source"]));
    if (name !== "a-reward") {
      expect(headings).toEqual(expect.arrayContaining(["What it did", "Its defaults", "What it descends"]));
      expect(page).toContain("| KL, nats |");
      expect(page).toContain("| Fréchet distance, trained pairs |");
    }
    expect(page).toMatch(/arxiv\.org\/abs\/\d{4}\.\d{5}/);
  });
});

test("links lead to the page that has the heading, to the page of a file, or to a file", () => {
  expect(text("faq.md")).toContain("(./guide/loss.md#choosing-α)");
  expect(text("guide/loss.md")).toContain("(../evaluation.md#the-gauge-while-it-trains)");
  expect(text("league/index.md")).toContain("(../source/examples/plane/methods.ts.md)");
  expect(text("source/examples/plane/methods.ts.md")).toContain("```ts\n");
  expect(files.has("public/source/docs/league/results.jsonl")).toBe(true);
});

test("every page but those of files is at the side, and what is at the side is there", () => {
  const links = (function all(items: typeof sidebar): string[] {
    return items.flatMap(({ link, items = [] }) => [...(link === undefined ? [] : [link]), ...all(items)]);
  })(sidebar).map((link) => link.slice(1).replace(/\/$/, "/index"));
  const pages = [...files.keys()].filter((path) => path.endsWith(".md") && !path.startsWith("source/"));
  expect([...links, "index"].sort()).toEqual([...pages.map((path) => path.replace(/\.md$/, "")), "api/index"].sort());
});

test("what a sheet of panels is cut into is pictures, and every file to copy is there", () => {
  expect(cutPanels("docs/images/methods.svg").length).toBe(18);
  expect(text("methods/panels/dmd2-1-with-gan.svg")).toMatch(/^<svg [\s\S]*<\/g><\/svg>\n$/);
  for (const file of files.values()) if ("copyOf" in file) expect(existsSync(file.copyOf), file.copyOf).toBe(true);
});

test("blocks of code are no headings, sections or links", () => {
  const page = "# A\n\n## B\n\n```ts\n## no\n[x](y.md)\n```\n\n## B\n\n[x](y.md) [z](https://z)\n";
  expect(headingsOf(page).map(({ anchor }) => anchor)).toEqual(["a", "b", "b-1"]);
  expect(sectionsOf(page).map(({ title }) => title)).toEqual(["", "B", "B"]);
  expect(promote(page)).toContain("\n# B\n\n```ts\n## no\n");
  expect(changeLinks(page, (target) => `to/${target}`)).toBe(page.replace("\n[x](y.md) ", "\n[x](to/y.md) "));
});

test("formulas are set in blocks and lines, and the search reads none", () => {
  const rules: Record<string, unknown> = {};
  setMarkdown({ renderer: { rules } });
  const html = (rule: string, content: string) =>
    (rules[rule] as (tokens: object[], index: number) => string)([{ content }], 0);
  expect(html("code_block", "L = x_g,   δ = 1\n").match(/class="katex"/g)?.length).toBe(2);
  expect(html("code_block", "npm run x -- --y=1\n")).toBe(
    '<pre v-pre class="plain" tabindex="0"><code>npm run x -- --y=1\n</code></pre>\n',
  );
  expect(html("code_inline", "x_g")).toContain('class="katex"');
  expect(html("code_inline", "x<y")).toBe("<code v-pre>x&lt;y</code>");
  expect(withoutFormulas(`a ${html("code_inline", "f_φ")} b ${html("code_inline", "x_t")}`)).toBe(
    "a <span v-pre></span> b <span v-pre></span>",
  );
});
