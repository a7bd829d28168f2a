// What TypeDoc lacks for this library: categories by the file that declares a symbol, so that none is forgotten and no
// comment repeats its folder's name.
import { Application, CommentTag, Converter, ReflectionKind } from "typedoc";
import { categories } from "./categories.mjs";

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
}
