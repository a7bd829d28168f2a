// What TypeDoc lacks for this library: categories by the file that declares a symbol, so that none is forgotten and no
// comment repeats its folder's name; documents under their own titles; and formulas set as formulas. The comments hold
// these as Unicode in indented blocks, which an editor's hover shows as they are; LaTeX would be legible in a browser only.
import { Application, CommentTag, Converter, MarkdownEvent, ReflectionKind } from "typedoc";
import { categories } from "./categories.mjs";
import { setFormula } from "./formula.mjs";

const elsewhere = "On the pages of the modules";

/** Called by TypeDoc, which typedoc.json tells of this file. */
export function load(app) {
  app.on(Application.EVENT_BOOTSTRAP_END, () => {
    app.options.setValue("categoryOrder", [...new Set(categories.map(([, title]) => title)), "*"]);
    app.options.setValue("defaultCategory", elsewhere);
  });

  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const reflection of project.getReflectionsByKind(ReflectionKind.SomeExport)) {
      const path = project.getSymbolIdFromReflection(reflection)?.packagePath;
      if (reflection.isReference() || reflection.parent?.kind !== ReflectionKind.Module || path === undefined) continue;
      const category = categories.find(([prefix]) => path.startsWith(`src/${prefix}`))?.[1];
      if (category === undefined) app.logger.error(`scripts/typedoc/categories.mjs: no category for ${path}`);
      const commented = [reflection, ...(reflection.signatures ?? [])].find(({ comment }) => comment !== undefined);
      commented?.comment.blockTags.push(new CommentTag("@category", [{ kind: "text", text: category ?? elsewhere }]));
    }
  });

  app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_, document) => {
    const [, title] = /^# (.*)$/m.exec(document.content[0]?.text ?? "") ?? [];
    if (title === undefined) return app.logger.error(`${document.name}: a document begins with its heading`);
    document.name = title;
  });

  app.renderer.on(
    MarkdownEvent.PARSE,
    (event) => {
      event.parsedText = event.parsedText.replace(
        /<pre><code>([\s\S]*?)<\/code>(?:<button[^>]*>[^<]*<\/button>)?<\/pre>/g,
        (block, code) => (/[=←]/.test(code) ? `<div class="formula">${setFormula(code.trimEnd())}</div>` : block),
      );
    },
    -1000, // after the Markdown is HTML
  );
}
