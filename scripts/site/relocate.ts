/**
 * Makes a build of VitePress work in any folder. VitePress knows the folder when it builds; here it is a word, which this replaces:
 * in HTML and CSS by the relative way from the file, in scripts by what the first script of each page finds out from its address.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseAst } from "vite";
import { filesUnder } from "./files.ts";

/** Stands for the folder while VitePress builds. */
export const baseToken = "/__base__/";

/** The first script of a page; its word becomes the way up from the page. */
export const baseScript = `globalThis.siteBase=new URL("${baseToken}",location.href).pathname`;

type Node = Readonly<Record<string, unknown>> & { readonly type: string; readonly start: number; readonly end: number };

/** A script whose strings put the folder in when they are read. */
export function relocateScript(code: string): string {
  if (!code.includes(baseToken)) return code;
  const literals: Node[] = [];
  const visit = (node: unknown, parent: Node | undefined) => {
    if (Array.isArray(node)) for (const one of node) visit(one, parent);
    else if (node !== null && typeof node === "object" && "type" in node) {
      const found = node as Node;
      const isString = found.type === "Literal" || found.type === "TemplateLiteral";
      if (isString && code.slice(found.start, found.end).includes(baseToken)) {
        if (/^(Import|Export)|Property$/.test(parent?.type ?? "") && parent?.["key"] === found)
          throw new Error(`relocate: the folder is in a name, ${code.slice(found.start, found.end).slice(0, 80)}`);
        if (/^(Import|Export)/.test(parent?.type ?? ""))
          throw new Error("relocate: a script is imported by the folder");
        literals.push(found);
      } else for (const child of Object.values(found)) visit(child, found);
    }
  };
  visit(parseAst(code), undefined);
  let out = code;
  for (const { start, end } of literals.reverse()) {
    const literal = out.slice(start, end);
    out = `${out.slice(0, start)}${literal}.replaceAll(${JSON.stringify(baseToken)},globalThis.siteBase)${out.slice(end)}`;
  }
  return out;
}

/** A page that lies `depth` folders down. */
export function relocatePage(html: string, depth: number): string {
  const up = depth === 0 ? "./" : "../".repeat(depth);
  return html.replace(
    /(<script\b[^>]*>)([\s\S]*?)(<\/script>)|[^<]+|</g,
    (whole, open?: string, body = "", close = "") => {
      if (open === undefined) return whole.replaceAll(baseToken, up);
      const isFirst = body.startsWith(baseScript.slice(0, baseScript.indexOf("(")));
      const script = isFirst ? body.replaceAll(baseToken, up) : relocateScript(body);
      return `${open.replaceAll(baseToken, up)}${script}${close}`;
    },
  );
}

/** Changes all files of a build in place. */
export function relocate(folder: string): void {
  for (const path of filesUnder(folder)) {
    const file = join(folder, path);
    const change = path.endsWith(".html")
      ? (text: string) => relocatePage(text, path.split("/").length - 1)
      : path.endsWith(".js")
        ? relocateScript
        : path.endsWith(".css")
          ? (text: string) => text.replaceAll(`${baseToken}assets/`, "./")
          : undefined;
    if (change === undefined) continue;
    const text = readFileSync(file, "utf8");
    const changed = change(text);
    if (changed !== text) writeFileSync(file, changed);
  }
}
