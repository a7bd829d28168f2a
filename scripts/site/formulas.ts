/** Sets the formulas of indented blocks by KaTeX; other indented blocks stay what they are. */
import katex from "katex";
import { equationsOf } from "./tex.ts";

/** A block whose lines have an equals sign or an arrow with blanks around. */
const isFormula = (text: string) => /(^|\s)[=←≤]\s/m.test(text) && !/^\S+=\S/.test(text) && !/ nats?$/m.test(text);

interface Token {
  readonly content: string;
}
interface Markdown {
  readonly renderer: { readonly rules: Record<string, unknown> };
}

const escape = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

/** For `markdown.config` of VitePress. */
export function formulas(markdown: Markdown): void {
  markdown.renderer.rules["code_block"] = (tokens: Token[], index: number) => {
    const text = tokens[index]?.content ?? "";
    if (!isFormula(text)) return `<pre v-pre class="plain" tabindex="0"><code>${escape(text)}</code></pre>\n`;
    const lines = text.trimEnd().split("\n");
    const set = lines.map((line) => `<div>${equationsOf(line).map((tex) => `<span>${render(tex)}</span>`).join(" ")}</div>`);
    return `<div v-pre class="formula" tabindex="0" role="group" aria-label="formula">${set.join("")}</div>\n`;
  };
}

function render(tex: string): string {
  return katex.renderToString(tex, { strict: "error", output: "htmlAndMathml" });
}
