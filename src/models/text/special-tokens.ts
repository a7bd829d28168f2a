import { checkInteger, describe, isObject } from "../../core/checks";
import { SidError } from "../../core/errors";

type Json = Readonly<Record<string, unknown>>;

/** A token that stands for itself wherever its text appears in a prompt. */
export interface SpecialToken {
  readonly content: string;
  /** Looked for in the normalised prompt instead of the prompt as it came. */
  readonly normalized: boolean;
}

/** A token with its id. */
export interface AddedToken extends SpecialToken {
  readonly id: number;
}

/** What a special token is for, in the order in which transformers adds them. */
const roles = ["bos_token", "eos_token", "unk_token", "pad_token"] as const;

/**
 * The special tokens that transformers takes from a tokenizer's two configuration files: a role of
 * `special_tokens_map.json` overrides that of `tokenizer_config.json`, the table of added tokens
 * completes a name, and what is missing is CLIP's own. A bare name is looked for in the raw prompt.
 *
 * Source: transformers 5.24 tokenization_utils_base.py, from_pretrained.
 *
 * @throws SidError `corrupt-file` for what is no token, `unsupported` for `lstrip`, `rstrip`, `single_word`.
 */
export function readSpecialTokens(
  where: string,
  config: Json,
  map: Json,
  table: readonly Json[],
): Record<(typeof roles)[number], SpecialToken> {
  const added = new Map(table.map((token) => [token["content"], token]));
  const read = (role: string): SpecialToken => {
    const named = map[role] ?? config[role] ?? (role === "bos_token" ? "<|startoftext|>" : "<|endoftext|>");
    const token = added.get(isObject(named) ? named["content"] : named) ?? named;
    return checkToken(where, role, isObject(token) ? token : { content: token, normalized: false }, named);
  };
  return Object.fromEntries(roles.map((role) => [role, read(role)])) as Record<(typeof roles)[number], SpecialToken>;
}

/**
 * The table of added tokens: those of `tokenizer.json`, completed and overridden by `added_tokens_decoder` of
 * `tokenizer_config.json`, whose keys are the ids, and by `added_tokens.json`, which maps names to ids.
 */
export function addedTokens(tokenizerJson: readonly Json[], config: Json, names: Json): Json[] {
  const decoder = Object.entries(isObject(config["added_tokens_decoder"]) ? config["added_tokens_decoder"] : {});
  const given = decoder.flatMap(([id, token]) => (isObject(token) ? [{ ...token, id: Number(id) }] : []));
  const known: Json[] = [...tokenizerJson, ...given];
  const contents = new Set(known.map((token) => token["content"]));
  const named = Object.entries(names).filter(([content]) => !contents.has(content));
  return [...known, ...named.map(([content, id]) => ({ content, id, normalized: true }))];
}

/** Those of the added tokens that the vocabulary lacks, such as the words of a textual inversion. */
export function tokensBeyond(where: string, vocab: ReadonlyMap<string, number>, table: readonly Json[]): AddedToken[] {
  return table
    .filter(({ content }) => !vocab.has(content as string))
    .map((token) => {
      const checked = checkToken(where, "an added token", token, token["content"]);
      return {
        ...checked,
        id: checkInteger(where, `the id of ${describe(checked.content)}`, token["id"] as number, 0, 2 ** 26 - 1),
      };
    });
}

function checkToken(where: string, role: string, token: Json, named: unknown): SpecialToken {
  const { content, normalized = true, ...flags } = token;
  if (typeof content !== "string" || content === "" || typeof normalized !== "boolean")
    throw new SidError("corrupt-file", `${where}: ${role} must be a text or a token, got ${describe(named)}.`);
  const flag = ["lstrip", "rstrip", "single_word"].find((key) => flags[key]);
  if (flag) throw new SidError("unsupported", `${where}: ${flag} of ${role} is not supported.`);
  return { content, normalized };
}

/**
 * Takes special tokens out of a text, the longest of those that begin at one place: first from the text as
 * it came, then from what lies between, normalised.
 *
 * @param tokens - of two with one content the later counts.
 * @returns the parts of a text in order: the id of a special token, or normalised text.
 */
export function specialTokenSplitter(
  tokens: readonly SpecialToken[],
  idOf: (token: SpecialToken) => number,
  normalize: (text: string) => string,
): (text: string) => (string | number)[] {
  const distinct = [...new Map(tokens.map((token) => [token.content, token])).values()];
  const raw = splitter(distinct.filter((t) => !t.normalized).map((t) => [t.content, idOf(t)]));
  const normalized = splitter(distinct.filter((t) => t.normalized).map((t) => [normalize(t.content), idOf(t)]));
  return (text) => raw(text).flatMap((part) => (typeof part === "number" ? part : normalized(normalize(part))));
}

function splitter(ids: readonly (readonly [string, number])[]): (text: string) => (string | number)[] {
  if (ids.length === 0) return (text) => [text];
  const idOf = new Map(ids);
  const escaped = [...idOf.keys()]
    .sort((a, b) => b.length - a.length)
    .map((content) => content.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
  const pattern = new RegExp(`(${escaped.join("|")})`, "u");
  // The odd parts of a split are what its group caught.
  return (text) => text.split(pattern).map((part, i) => (i % 2 === 1 ? (idOf.get(part) as number) : part));
}
