/**
 * The Markdown that VitePress turns into the site, out of the documents of the repository: pages cut where documents.ts says,
 * links led to the pages that have what they point at, a page for each method, and one for each file that is linked to.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { posix } from "node:path";
import { type Document, documents } from "./documents.ts";
import { anchorOf, changeLinks, headingsOf, promote, sectionsOf } from "./markdown.ts";
import { methodOfSection, methodPage } from "./methods.ts";

/** Files of the staged folder by their paths: text, or the path of a file to be copied. */
export type Staged = Map<string, { readonly text: string } | { readonly copyOf: string }>;

export interface SidebarItem {
  readonly text: string;
  readonly link?: string;
  readonly items?: SidebarItem[];
}

interface Page {
  readonly path: string;
  readonly source: string;
  readonly title: string;
  readonly text: string;
}

/** The file of a section's page; undefined where the section stays. */
function pageOf(document: Document, title: string): string | undefined {
  const { sections = {} } = document;
  const folder = sections["*"];
  return sections[title] ?? (folder === undefined || title === "" ? undefined : `${folder}${anchorOf(title)}.md`);
}

/** The pages of a document, the main one first. */
function pagesOf(document: Document): Page[] {
  const text = readFileSync(document.source, "utf8");
  const pages = new Map<string, string>([[document.page, ""]]);
  for (const section of sectionsOf(text)) {
    const own = pageOf(document, section.title);
    const path = own ?? document.page;
    pages.set(path, (pages.get(path) ?? "") + (own === undefined ? section.text : promote(section.text)));
  }
  return [...pages].map(([path, text]) => ({
    path,
    source: document.source,
    title: headingsOf(text)[0]?.title ?? "",
    text,
  }));
}

/** Where links lead: to the page that has the heading, to a picture beside the page, or to the page of a file. */
function linkTable(pages: readonly Page[]) {
  const main = new Map(documents.map(({ source, page }) => [source, page]));
  const anchors = new Map<string, string>();
  for (const { source } of documents.filter(({ source }) => existsSync(source))) {
    // Anchors are numbered over the whole document, as on GitHub.
    for (const { anchor } of headingsOf(readFileSync(source, "utf8"))) {
      const page = pages.find(
        (page) => page.source === source && headingsOf(page.text).some((heading) => heading.anchor === anchor),
      );
      if (page) anchors.set(`${source}#${anchor}`, page.path);
    }
  }
  return { main, anchors };
}

const picture = /\.(png|svg|webp)$/;

/** A file of the repository as a page: its text, and where it lies. */
function sourcePage(path: string): string {
  const text = readFileSync(path, "utf8");
  if (path.endsWith(".md")) return text;
  const language = /\.(\w+)$/.exec(path)?.[1] ?? "text";
  const name = { mjs: "js", jsonl: "json" }[language] ?? language;
  const fence = "`".repeat(Math.max(3, ...[...text.matchAll(/`{3,}/g)].map(([ticks]) => ticks.length + 1)));
  return `# ${path}\n\n${fence}${name}\n${text.trimEnd()}\n${fence}\n`;
}

/** All pages but the reference, and the sidebar. */
export function stage(): { files: Staged; sidebar: SidebarItem[] } {
  const present = documents.filter(({ source }) => existsSync(source));
  const pages = present.flatMap(pagesOf);
  const links = linkTable(pages);
  const files: Staged = new Map();
  const wanted: string[] = [];

  const lead = (from: Page) => (target: string) => {
    const relative = (page: string) => {
      const to = posix.relative(posix.dirname(from.path), page);
      return to.startsWith(".") ? to : `./${to}`;
    };
    // What a page of a method names by its place in the site.
    if (target.startsWith("site:")) return relative(target.slice(5));
    const [path = "", anchor] = target.split("#");
    const file = path === "" ? from.source : posix.join(posix.dirname(from.source), path);
    if (picture.test(file) && existsSync(file)) {
      const to = file.replace(/^docs\/(\.vitepress\/pages\/)?/, "");
      files.set(to, { copyOf: file });
      return relative(to);
    }
    const main = links.main.get(file);
    if (main !== undefined) {
      // What stands behind the # of the laboratory is a state, no heading.
      if (anchor === undefined || anchor.startsWith("v=")) return relative(main) + (anchor ? `#${anchor}` : "");
      const page = links.anchors.get(`${file}#${decodeURI(anchor)}`);
      if (page === undefined) throw new Error(`${from.source}: no heading for ${target}`);
      return `${page === from.path ? "" : relative(page)}#${anchor}`;
    }
    if (!existsSync(file) || !statSync(file).isFile()) throw new Error(`${from.source}: no file for ${target}`);
    if (file.endsWith(".jsonl")) {
      files.set(`public/source/${file}`, { copyOf: file });
      return relative(`source/${file}`);
    }
    if (!wanted.includes(file)) wanted.push(file);
    return `${relative(sourceName(file))}${anchor === undefined ? "" : `#${anchor}`}`;
  };

  for (const page of pages) {
    const method = page.source === "docs/methods.md" ? methodOfSection(page.text) : undefined;
    const whole = method === undefined ? page : { ...page, text: methodPage(method, page.text, files) };
    files.set(page.path, { text: changeLinks(whole.text, lead(whole)) });
  }
  // Files link to further ones: as far as that goes.
  for (const file of wanted) {
    const page = { path: sourceName(file), source: file, title: file, text: sourcePage(file) };
    const text = file.endsWith(".md") ? changeLinks(page.text, lead(page)) : page.text;
    files.set(page.path, {
      text: `---\nsearch: false\neditLink: false\naside: ${file.endsWith(".md")}\n---\n\n${text}`,
    });
  }
  return { files, sidebar: sidebarOf(pages) };
}

const sourceName = (file: string) =>
  `source/${file.endsWith(".md") ? file : `${file}.md`}`.replace(/README\.md$/, "index.md");

function sidebarOf(pages: readonly Page[]): SidebarItem[] {
  const item = ({ path, title }: Page): SidebarItem => ({
    text: title.replaceAll("`", ""),
    link: `/${path.replace(/(index)?\.md$/, "")}`,
  });
  const of = (source: string) => pages.filter((page) => page.source === source).map(item);
  const one = (source: string, text?: string) =>
    of(source)
      .slice(0, 1)
      .map((first) => (text === undefined ? first : { ...first, text }));
  const methods = pages.filter((page) => page.source === "docs/methods.md");
  const isMethod = (page: Page) => methodOfSection(page.text) !== undefined;
  const about = methods.filter((page) => !isMethod(page)).map(item);
  return [
    {
      text: "Start",
      items: [
        ...one("README.md", "What it is"),
        ...one("docs/.vitepress/pages/laboratory.md", "Laboratory"),
        ...one("docs/alpha/README.md"),
        ...one("docs/.vitepress/pages/draw.md", "Draw"),
        ...one("docs/.vitepress/pages/train.md", "Train in your tab"),
        ...one("docs/faq.md"),
      ],
    },
    {
      text: "Guide",
      items: [...one("docs/guide.md", "What is where"), ...of("docs/guide.md").slice(1), ...one("docs/extending.md")],
    },
    { text: "Methods", items: [{ text: "All side by side", link: about[0]?.link ?? "" }, ...about.slice(1)] },
    { text: "One by one", items: methods.filter(isMethod).map(item) },
    {
      text: "Where it runs",
      items: [
        ...one("docs/backends.md"),
        ...one("docs/distributed.md"),
        ...one("docs/stable-diffusion.md"),
        ...one("docs/performance.md"),
      ],
    },
    {
      text: "Measured",
      items: [
        ...one("docs/evaluation.md"),
        ...one("docs/study/README.md", "The study: guidance and α"),
        ...one("docs/league/README.md", "The league, in the plane"),
        ...one("docs/league/emoji.md", "The league, on emoji"),
      ],
    },
    {
      text: "More",
      items: [...one("CHANGELOG.md"), ...of("README.md").slice(1), { text: "Reference", link: "/api/" }],
    },
  ];
}
