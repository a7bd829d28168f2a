/** The sidebar of the reference, from the navigation that TypeDoc writes. */
import { readFileSync } from "node:fs";
import type { SidebarItem } from "./stage.ts";

interface Entry {
  readonly title: string;
  readonly path?: string;
  readonly children?: Entry[];
}

/** For each module a sidebar of its own, so that no page holds the names of all. */
export function referenceSidebars(file: string): Record<string, SidebarItem[]> {
  const linkOf = (path: string) => `/api/${path.replace(/(index)?\.md$/, "")}`;
  const toItem = (entry: Entry): SidebarItem => ({
    text: entry.title,
    ...(entry.path === undefined ? {} : { link: linkOf(entry.path) }),
    ...(entry.children === undefined ? {} : { items: entry.children.map(toItem) }),
  });
  const modules = JSON.parse(readFileSync(file, "utf8")) as Entry[];
  const all = modules.map(({ title, path = "" }) => ({ text: title, link: linkOf(path) }));
  const start = { text: "Reference", link: "/api/" };
  const own = modules.map(({ title, path = "", children = [] }): [string, SidebarItem[]] => [
    linkOf(path),
    [start, { text: title, link: linkOf(path), items: children.map(toItem) }, { text: "All modules", items: all }],
  ]);
  return { "/api/": [start, { text: "Modules", items: all }], ...Object.fromEntries(own) };
}
