import { readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import type { Plugin } from "esbuild";

const root = "@tensorflow/tfjs-core";
const dist = resolve("node_modules", root, "dist");
const tfjs: Readonly<Record<string, unknown>> = { ...tf };

/** The root's namespaces whose members the gradients use. */
const namespaces = ["util", "backend_util", "broadcast_util", "slice_util"];

/** Modules of which the root has no equal; what a gradient hands to an operation is a tensor already. */
const replaced: Readonly<Record<string, string>> = {
  "engine.js": `import { engine } from "${root}"; export const ENGINE = engine();`,
  "tensor_util_env.js": "export function convertToTensor(x) { return x; }",
};

/**
 * esbuild plugin that inlines tfjs-core's gradient definitions and the few operations that only they
 * know. Whatever else these import comes from the package's root, by itself or out of one of its
 * namespaces: one engine, one copy of every operation, and little to inline.
 */
export function registerGradientsPlugin(): Plugin {
  return {
    name: "register-gradients",
    setup(build) {
      build.onResolve({ filter: /^@tensorflow\/tfjs-core\/dist\/register_all_gradients$/ }, () => ({
        path: resolve(dist, "register_all_gradients.js"),
        sideEffects: true,
      }));
      build.onResolve({ filter: /^\.\.?\// }, ({ importer, path }) => {
        if (relative(dist, importer).startsWith("..")) return undefined;
        const file = `${resolve(dirname(importer), path)}.js`;
        const names = exportsOf(file);
        if (path === "../base" || (names.length > 0 && names.every((name) => name in tfjs)))
          return { path: root, external: true };
        return forwarder(file, names)
          ? { path: relative(dist, file), namespace: root, sideEffects: false }
          : { path: file };
      });
      build.onLoad({ filter: /.*/, namespace: root }, ({ path }) => ({
        contents: forwarder(resolve(dist, path), exportsOf(resolve(dist, path))) ?? "",
        resolveDir: dist,
      }));
    },
  };
}

/** A module that stands for `file` with what the root has of its exports; undefined where it has none. */
function forwarder(file: string, names: readonly string[]): string | undefined {
  const homes = names.map((name) => namespaces.find((namespace) => name in membersOf(namespace)));
  const imports = [...new Set(homes)].map((home) => (home ? `import { ${home} } from "${root}";` : ""));
  const exports = names.map((name, i) => {
    const home = homes[i];
    if (!home) return "";
    // Functions forward the call: unlike a constant, one that nobody uses can be dropped.
    return typeof membersOf(home)[name] === "function"
      ? `export function ${name}(...a) { return ${home}.${name}(...a); }`
      : `export const ${name} = ${home}.${name};`;
  });
  return replaced[relative(dist, file)] ?? (exports.some(Boolean) ? [...imports, ...exports].join("\n") : undefined);
}

function membersOf(namespace: string): Readonly<Record<string, unknown>> {
  return tfjs[namespace] as Readonly<Record<string, unknown>>;
}

/** Names that a file of tfjs-core exports, those of `export *` included. */
function exportsOf(file: string): string[] {
  const text = readFileSync(file, "utf8");
  const declared = [...text.matchAll(/^export (?:const|let|var|function|class) (\w+)/gm)].map(([, name = ""]) => name);
  const listed = [...text.matchAll(/^export \{([^}]*)\}/gm)].flatMap(
    ([, list = ""]) => list.match(/\w+(?=\s*(?:,|$))/g) ?? [],
  );
  const others = [...text.matchAll(/^export \* from '(.*)'/gm)].map(
    ([, path = ""]) => `${resolve(dirname(file), path)}.js`,
  );
  return [...declared, ...listed, ...others.flatMap(exportsOf)];
}
