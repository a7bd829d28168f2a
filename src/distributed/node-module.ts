interface NodeModules {
  readonly "node:fs": typeof import("node:fs");
  readonly "node:os": typeof import("node:os");
  readonly "node:path": typeof import("node:path");
}

/** A module of Node, imported when first used and under a name that bundlers for browsers do not follow. */
export async function nodeModule<K extends keyof NodeModules>(name: K): Promise<NodeModules[K]> {
  return await import(/* webpackIgnore: true */ /* @vite-ignore */ name);
}
