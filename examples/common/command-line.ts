import { type ParseArgsConfig, parseArgs } from "node:util";
import { type BackendName, backendNames } from "sid-lsg/backends";
import { nearest } from "./nearest";

/** What `--backend` may be. */
export const backends: readonly (BackendName | "auto")[] = ["auto", ...backendNames];

/** A command line's options. Throws an error with a plain message for others, with the name that was likely meant. */
export function commandLine<T extends NonNullable<ParseArgsConfig["options"]>>(args: readonly string[], options: T) {
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true });
  for (const token of tokens) {
    if (token.kind !== "option" || Object.hasOwn(options, token.name)) continue;
    const names = Object.keys(options);
    const like = nearest(token.name, names);
    const all = names.includes("help")
      ? "--help lists all."
      : `it takes ${names.map((name) => `--${name}`).join(", ") || "none"}.`;
    const way = like === undefined ? all : `did you mean --${like}?`;
    throw new Error(`There is no option ${token.rawName}; ${way}`);
  }
  return parseArgs({ args: [...args], options }).values;
}

/** What `--no-fma` has `useBackend` told; without it the engine decides. */
export function fmaOf(values: { readonly "no-fma": boolean }): { readonly fma?: false } {
  return values["no-fma"] ? { fma: false } : {};
}

/** A command line's number, or the fallback where it is absent. Throws an error with a plain message for a bad one. */
export function number(name: string, text: string | undefined, fallback: number, least = -Infinity): number {
  if (text === undefined) return fallback;
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!Number.isFinite(value) || value < least) {
    const range = least === -Infinity ? "" : ` of at least ${least}`;
    throw new Error(`--${name} must be a number${range}, got "${text}".`);
  }
  return value;
}

/** A {@link number} above 0. */
export function positive(name: string, text: string | undefined, fallback: number): number {
  const value = number(name, text, fallback, 0);
  if (value === 0) throw new Error(`--${name} must be above 0, got "${text}".`);
  return value;
}

/** A {@link number} without a fraction. */
export function integer(name: string, text: string | undefined, fallback: number, least: number): number {
  const value = number(name, text, fallback, least);
  if (!Number.isSafeInteger(value)) throw new Error(`--${name} must be a whole number, got "${text}".`);
  return value;
}

/** One of some words. */
export function choice<T extends string>(name: string, text: string | undefined, fallback: T, words: readonly T[]): T {
  const value = text ?? fallback;
  if (!(words as readonly string[]).includes(value))
    throw new Error(`--${name} must be ${words.slice(0, -1).join(", ")} or ${words.at(-1)}, got "${value}".`);
  return value as T;
}
