import { homedir } from "node:os";
import { isAbsolute, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of package.json. */
const projectFolder = fileURLToPath(new URL("../..", import.meta.url)).replace(/[\\/]$/, "");

/** Where a script writes when nobody says where: in the project, wherever it was called. */
export function projectPath(path: string): string {
  return join(projectFolder, path);
}

/** Where the user stands; `npm run` starts scripts in the project's folder, wherever it was called. */
export function userFolder(): string {
  const { INIT_CWD: called, npm_lifecycle_event: script } = process.env;
  return called && script && process.cwd() === projectFolder ? called : process.cwd();
}

/** A path of the command line, from where the user stands. A shell that saw `--out=~/runs` left the `~` as it is. */
export function userPath(option: string, text: string): string {
  if (text.trim() === "" || text.includes("\0"))
    throw new Error(`--${option} must name a file or folder, got "${text}".`);
  const [first = "", ...rest] = text.split(/[\\/]/);
  if (first === "~") return join(homedir(), ...rest);
  if (first.startsWith("~"))
    throw new Error(`--${option}: whose folder "${first}" is, the shell knows only; write ${text} out, or ./${text}.`);
  return resolve(userFolder(), text);
}

/** Those of some options that are given, each as {@link userPath} reads it. */
export function userPaths<K extends string>(
  values: Readonly<Partial<Record<K, string | undefined>>>,
  options: readonly K[],
): Partial<Record<K, string>> {
  const given = options.flatMap((option) => {
    const text = values[option];
    return text === undefined ? [] : [[option, userPath(option, text)] as const];
  });
  return Object.fromEntries(given) as Partial<Record<K, string>>;
}

/** A path as short as it can be said to the user. */
export function shown(path: string): string {
  const short = relative(userFolder(), path);
  return short === "" ? "." : isAbsolute(short) || /^\.\.([\\/]|$)/.test(short) ? path : short;
}
