/** In snippets, what is imported from this library leads to its page in the reference, and shows its signature when pointed at. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

interface Symbol {
  /** Of the page, within the site. */
  readonly path: string;
  readonly signature: string;
}

interface Entry {
  readonly title: string;
  readonly path?: string;
  readonly children?: Entry[];
}

/** The symbols of the reference by name, of the folder that TypeDoc wrote and its navigation. */
export function symbolsOf(folder: string, navigation: string): Map<string, Symbol> {
  const symbols = new Map<string, Symbol>();
  const add = ({ title, path, children = [] }: Entry) => {
    if (path !== undefined && !path.endsWith("index.md") && !symbols.has(title)) {
      const text = readFileSync(join(folder, path), "utf8");
      const [, signature = ""] = /^```ts\n([\s\S]*?)\n```$/m.exec(text.split(/^## /m)[0] ?? "") ?? [];
      const [, ...rest] = text.split("\n\n");
      const said = rest.find((part) => /^[A-Z`]/.test(part))?.replace(/\[([^\]]*)\]\([^)]*\)|`/g, "$1") ?? "";
      symbols.set(title, {
        path: path.replace(/\.md$/, ".html"),
        signature: `${signature || title}\n\n${said.replace(/\s+/g, " ")}`.trim(),
      });
    }
    for (const child of children) add(child);
  };
  for (const entry of JSON.parse(readFileSync(navigation, "utf8")) as Entry[]) add(entry);
  return symbols;
}

/** The names that a snippet imports from this library. */
export function importedNames(code: string): Set<string> {
  const lists = [...code.matchAll(/^import (?:type )?\{([^}]*)\} from "sid-lsg[\w/-]*";/gm)].map(
    ([, list = ""]) => list,
  );
  return new Set(lists.flatMap((list) => list.split(",").map((name) => name.trim().replace(/^type /, ""))));
}

interface Element {
  type: "element";
  tagName: string;
  properties: Record<string, unknown>;
  children: (Element | { type: "text"; value: string })[];
}

/** For `markdown.codeTransformers` of VitePress. */
export function linkSymbols(symbols: ReadonlyMap<string, Symbol>, base: string) {
  return {
    name: "sid-lsg:symbol-links",
    span(this: { source: string }, node: Element) {
      const [text] = node.children;
      if (text?.type !== "text") return;
      const [, before = "", name = "", after = ""] = /^(\s*)(\w+)(\s*)$/.exec(text.value) ?? [];
      const symbol = symbols.get(name);
      if (symbol === undefined || !importedNames(this.source).has(name)) return;
      const link: Element = {
        type: "element",
        tagName: "a",
        properties: { href: `${base}api/${symbol.path}`, title: symbol.signature, class: "symbol" },
        children: [{ type: "text", value: name }],
      };
      node.children = [{ type: "text", value: before }, link, { type: "text", value: after }];
    },
  };
}
