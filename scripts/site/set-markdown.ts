/** What the site does to Markdown: formulas of indented blocks are set by KaTeX, tables scroll by themselves. */
import katex from "katex";
import { equationsOf, toTex } from "./tex.ts";

/** A block whose lines have an equals sign or an arrow with blanks around. */
const isFormula = (text: string) => /(^|\s)[=←≤]\s/m.test(text) && !/^\S+=\S/.test(text) && !/ nats?$/m.test(text);

interface Token {
  readonly content: string;
}
interface Markdown {
  readonly renderer: { readonly rules: Record<string, unknown> };
}

const escapeHtml = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

/** For `markdown.config` of VitePress. */
export function setMarkdown(markdown: Markdown): void {
  markdown.renderer.rules["table_open"] = () =>
    '<div class="table" tabindex="0" role="group" aria-label="table"><table>\n';
  markdown.renderer.rules["table_close"] = () => "</table></div>\n";
  markdown.renderer.rules["code_inline"] = (tokens: Token[], index: number) => {
    const text = tokens[index]?.content ?? "";
    return isInlineFormula(text)
      ? `<span v-pre>${render(
          text
            .split(/, (?=\S+ = )/)
            .map(toTex)
            .join(",\\quad "),
        )}</span>`
      : `<code v-pre>${escapeHtml(text)}</code>`;
  };
  markdown.renderer.rules["code_block"] = (tokens: Token[], index: number) => {
    const text = tokens[index]?.content ?? "";
    if (!isFormula(text)) return `<pre v-pre class="plain" tabindex="0"><code>${escapeHtml(text)}</code></pre>\n`;
    const lines = text.trimEnd().split("\n");
    const set = lines.map(
      (line) =>
        `<div>${equationsOf(line)
          .map((tex) => `<span>${render(tex)}</span>`)
          .join(" ")}</div>`,
    );
    return `<div v-pre class="formula" tabindex="0" role="group" aria-label="formula">${set.join("")}</div>\n`;
  };
}

/** A symbol with an index, or an equation with a sign that no code has. */
const isInlineFormula = (text: string) =>
  /^\p{L}\p{M}?_(?:\{[^{}]+\}|[\p{L}∅]{1,2}(?:,[κ∅]\d?)?)$/u.test(text) ||
  (/^\p{L}(?:_\S+)? = /u.test(text) && /[·−√ωκδφψεθ]/u.test(text) && !/[a-z]{9}|[a-z][A-Z][a-z]/.test(text));

function render(tex: string): string {
  return `${formulaMarks[0]}${katex.renderToString(tex, { strict: "error", output: "htmlAndMathml" })}${formulaMarks[1]}`;
}

/** What stands around a formula in HTML: the search reads the text without. */
const formulaMarks = ["<!--formula-->", "<!--/formula-->"] as const;

/** A page's HTML for the index of the search. */
export function withoutFormulas(html: string): string {
  return html.replace(new RegExp(`${formulaMarks[0]}[\\s\\S]*?${formulaMarks[1]}`, "g"), "");
}
