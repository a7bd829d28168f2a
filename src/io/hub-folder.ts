import { checkFunction, checkObject, checkText, describe, type KeysOf } from "../core/checks";
import { SidError } from "../core/errors";
import { messageOf } from "./byte-source";
import { makeFolder, nodeFs, onDisk, openFile } from "./disk";
import { checkRelative, type FileTree } from "./file-tree";
import { writeFileAtomic } from "./files";
import { checkUrl } from "./url-source";

/** Options of {@link hubFolder}. */
export interface HubOptions {
  /** A branch, a tag, or a commit of 40 hexadecimal digits, which alone stays what it is. @defaultValue `"main"` */
  readonly revision?: string | undefined;
  /** Where downloaded files are kept, shared with Python's `huggingface_hub`. @defaultValue `HF_HUB_CACHE`, or as there */
  readonly cacheDir?: string | undefined;
  /** For private and gated models; begins with `hf_`. @defaultValue none */
  readonly accessToken?: string | undefined;
  /** Another server with the hub's interface. @defaultValue `https://huggingface.co` */
  readonly hubUrl?: string | undefined;
  /** Does the requests; the place for a proxy. @defaultValue the platform's `fetch` */
  readonly fetch?: typeof fetch | undefined;
}

type Hub = typeof import("@huggingface/hub");

/**
 * A model of the Hugging Face Hub as a folder: a file is downloaded to the hub's cache when it is first opened, and
 * read from the disk. Node only, with the package `@huggingface/hub`; in a browser take
 * `urlFolder("https://huggingface.co/OWNER/MODEL/resolve/COMMIT")`.
 *
 * A branch or tag is turned into a commit once, at the first file: all files are of one commit. Files of a commit that
 * were opened before need no network.
 *
 * @param model - `owner/model`.
 * @param options - revision, cache, access.
 * @throws SidError `invalid-argument` for what is no such name; opening a file throws `missing-package` where
 *   `@huggingface/hub` is not installed and `io` where the hub cannot be reached or refuses.
 *
 * @example
 * ```ts no-run
 * import { hubFolder, openComponent } from "sid-lsg/io";
 *
 * const folder = hubFolder("owner/model", { revision: "0123456789abcdef0123456789abcdef01234567" });
 * const { config, weights } = await openComponent(folder, "unet", { variant: "fp16" });
 * console.log(config["_class_name"], weights.entries.size);
 * ```
 */
export function hubFolder(model: string, options: HubOptions = {}): FileTree {
  if (typeof model !== "string" || !/^[\w-][\w.-]*(\/[\w-][\w.-]*)?$/.test(model))
    throw new SidError("invalid-argument", `hubFolder: wanted a model as "owner/name", got ${describe(model)}.`);
  const { revision = "main", ...access } = checkOptions(options);
  const name = `hubFolder "${model}"`;
  const failed = (what: string, cause: unknown): SidError =>
    new SidError("io", `${name}: ${what}: ${explain(cause)}.`, { cause });
  let commit: Promise<string> | undefined = isCommit(revision) ? Promise.resolve(revision) : undefined;

  /** The commit of the revision; asked for once, and again after a failure. */
  const pinned = ({ modelInfo }: Hub): Promise<string> => {
    commit ??= modelInfo({ name: model, revision, additionalFields: ["sha"], ...access }).then(
      ({ sha }) => {
        if (isCommit(sha)) return sha;
        throw new SidError("io", `${name}: the hub gave no commit for ${describe(revision)}, but ${describe(sha)}.`);
      },
      (cause) => {
        commit = undefined;
        throw failed(`the revision ${describe(revision)} cannot be looked up`, cause);
      },
    );
    return commit;
  };

  return {
    name,
    async open(path) {
      checkRelative(name, path);
      const hub = await importHub();
      if (typeof hub.downloadFileToCacheDir !== "function")
        throw new SidError(
          "unsupported",
          `${name}: the hub's cache needs Node; in a browser use urlFolder("https://huggingface.co/${model}/resolve/COMMIT").`,
        );
      const file = { repo: { type: "model" as const, name: model }, path, revision: await pinned(hub), ...access };
      const storage = `${access.cacheDir ?? hub.getHFHubCachePath()}/${hub.getRepoFolderName(file.repo)}`;
      // Python's huggingface_hub remembers in the same place what a commit does not have.
      const absent = `${storage}/.no_exist/${file.revision}/${path}`;
      if (await isThere(absent)) return undefined;
      let cached: string;
      try {
        cached = await hub.downloadFileToCacheDir(file);
      } catch (cause) {
        // The package has no error of its own for a file that is not there.
        if (await hub.fileExists(file).catch(() => true))
          throw failed(`the file ${describe(path)} cannot be downloaded`, cause);
        await onDisk(name, () => makeFolder(absent.slice(0, absent.lastIndexOf("/"))));
        await writeFileAtomic(absent, "");
        return undefined;
      }
      return openFile("hubFolder", cached);
    },
  };
}

async function isThere(path: string): Promise<boolean> {
  const { stat } = await nodeFs();
  return stat(path).then(
    () => true,
    () => false,
  );
}

const known: KeysOf<HubOptions> = { revision: 1, cacheDir: 1, accessToken: 1, hubUrl: 1, fetch: 1 };

/** The options that are there. */
function checkOptions(options: HubOptions): { [K in keyof HubOptions]?: NonNullable<HubOptions[K]> } {
  const { revision, cacheDir, accessToken, hubUrl, fetch } = checkObject("hubFolder", "options", options, known);
  for (const [key, value] of Object.entries({ revision, cacheDir, accessToken, hubUrl }))
    if (value !== undefined) checkText("hubFolder", key, value);
  if (accessToken !== undefined && !accessToken.startsWith("hf_"))
    throw new SidError("invalid-argument", 'hubFolder: accessToken must begin with "hf_".');
  if (hubUrl !== undefined) checkUrl("hubFolder", hubUrl);
  if (fetch !== undefined) checkFunction("hubFolder", "fetch", fetch);
  return Object.fromEntries(
    Object.entries({ revision, cacheDir, accessToken, hubUrl, fetch }).filter(([, value]) => value !== undefined),
  );
}

/** What the hub's package threw, in words. */
function explain(cause: unknown): string {
  const status = (cause as { statusCode?: unknown } | null)?.statusCode;
  const hints: Readonly<Record<number, string>> = {
    401: "there is no such model, or it needs an accessToken",
    403: "the accessToken does not allow it, or the model's conditions were not accepted on its page",
    404: "there is no such model or revision",
    429: "too many requests; try again later",
  };
  const message = messageOf(cause);
  if (typeof status !== "number") return message === "fetch failed" ? "the hub cannot be reached" : message;
  return `the hub answered ${status}${status in hints ? `, ${hints[status]}` : ""} (${message})`;
}

function isCommit(revision: unknown): revision is string {
  return typeof revision === "string" && /^[0-9a-f]{40}$/.test(revision);
}

// By a name that bundlers do not see: a page shall not need what only Node can run.
async function importHub(): Promise<Hub> {
  const hub = "@huggingface/hub";
  try {
    return (await import(/* webpackIgnore: true */ /* @vite-ignore */ hub)) as Hub;
  } catch (cause) {
    throw new SidError(
      "missing-package",
      "hubFolder: cannot load @huggingface/hub; install it with: npm install @huggingface/hub",
      { cause },
    );
  }
}
