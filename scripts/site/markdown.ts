/** What the site needs to know of a document's Markdown: its headings, its sections, its links. */

/** The anchor that GitHub gives a heading. */
export function anchorOf(heading: string): string {
  return heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M} _-]/gu, "")
    .replaceAll(" ", "-");
}

const block = /^(?:```[\s\S]*?^```$)/gm;

/** Changes what is no block of code. */
export function changeProse(text: string, change: (prose: string) => string): string {
  let done = 0;
  let out = "";
  for (const match of text.matchAll(block)) {
    out += change(text.slice(done, match.index)) + match[0];
    done = match.index + match[0].length;
  }
  return out + change(text.slice(done));
}

/** The headings of a text with their anchors; a second one of a name has -1 behind it, as on GitHub. */
export function headingsOf(text: string): { level: number; title: string; anchor: string }[] {
  const seen = new Map<string, number>();
  return [...text.replace(block, "").matchAll(/^(#{1,6}) (.*)$/gm)].map(([, marks = "", title = ""]) => {
    const plain = anchorOf(title);
    const before = seen.get(plain) ?? 0;
    seen.set(plain, before + 1);
    return { level: marks.length, title, anchor: before === 0 ? plain : `${plain}-${before}` };
  });
}

export interface Section {
  /** The heading's text; empty for what stands before the first. */
  readonly title: string;
  readonly text: string;
}

/** A text cut at its headings of the second level. */
export function sectionsOf(text: string): Section[] {
  const marked = changeProse(text, (prose) => prose.replace(/^## /gm, "\u0000## "));
  return marked
    .split("\u0000")
    .map((part) => ({ title: /^## (.*)$/m.exec(part.split("\n")[0] ?? "")?.[1] ?? "", text: part }));
}

/** A section as a page: every heading a level higher. */
export function promote(text: string): string {
  return changeProse(text, (prose) => prose.replace(/^#(#+ )/gm, "$1"));
}

/** Every link and image of a text goes through `change`, but those to other hosts. */
export function changeLinks(text: string, change: (target: string) => string): string {
  return changeProse(text, (prose) =>
    prose.replace(/(\]\()([^)\s]+)(\))/g, (whole, open: string, target: string, close: string) =>
      /^(https?|mailto):/.test(target) ? whole : `${open}${change(target)}${close}`,
    ),
  );
}
