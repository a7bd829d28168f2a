/** The sidebar of the reference, from the navigation that TypeDoc writes. */
import { readFileSync } from "node:fs";
import type { SidebarItem } from "./stage.ts";

interface Entry {
  readonly title: string;
  readonly path?: string;
  readonly children?: Entry[];
}

export function referenceSidebar(file: string): SidebarItem[] {
  const toItem = (depth: number) => (entry: Entry): SidebarItem => ({
    text: entry.title,
    ...(entry.path === undefined ? {} : { link: `/api/${entry.path.replace(/(index)?\.md$/, "")}` }),
    ...(entry.children === undefined ? {} : { items: entry.children.map(toItem(depth + 1)), collapsed: true }),
  });
  const modules = JSON.parse(readFileSync(file, "utf8")) as Entry[];
  return [{ text: "All documents", link: "/overview" }, { text: "Reference", link: "/api/", items: modules.map(toItem(0)) }];
}
