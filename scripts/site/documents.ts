/**
 * Which page of the site each document is, and in which order they stand at the side. A document that is cut has a page for
 * each of its sections, `## …`; links into it find the page that has the heading.
 */

export interface Document {
  /** In the repository. */
  readonly source: string;
  /** The page of the site, or of what stands before the first section. */
  readonly page: string;
  /** Pages of sections, by their headings; `*` is every other section, under a name made of its heading. */
  readonly sections?: Readonly<Record<string, string>>;
}

export const documents: readonly Document[] = [
  { source: "docs/.vitepress/pages/index.md", page: "index.md" },
  { source: "docs/.vitepress/pages/laboratory.md", page: "laboratory.md" },
  { source: "docs/.vitepress/pages/draw.md", page: "draw.md" },
  { source: "docs/.vitepress/pages/train.md", page: "train.md" },
  {
    source: "README.md",
    page: "overview.md",
    sections: { Citation: "citation.md", Licence: "licence.md" },
  },
  {
    source: "docs/guide.md",
    page: "guide/index.md",
    sections: {
      "First: a backend": "guide/backend.md",
      "The loss": "guide/loss.md",
      "Guidance: choosing κ": "guide/guidance.md",
      "*": "guide/",
    },
  },
  { source: "docs/methods.md", page: "methods/index.md", sections: { "*": "methods/" } },
  { source: "docs/extending.md", page: "extending.md" },
  { source: "docs/backends.md", page: "backends.md" },
  { source: "docs/distributed.md", page: "distributed.md" },
  { source: "docs/stable-diffusion.md", page: "stable-diffusion.md" },
  { source: "docs/performance.md", page: "performance.md" },
  { source: "docs/evaluation.md", page: "evaluation.md" },
  { source: "docs/alpha/README.md", page: "alpha/index.md" },
  { source: "docs/study/README.md", page: "study/index.md" },
  { source: "docs/league/README.md", page: "league/index.md" },
  { source: "docs/league/emoji.md", page: "league/emoji.md" },
  { source: "docs/faq.md", page: "faq.md" },
  { source: "CHANGELOG.md", page: "changelog.md" },
];
