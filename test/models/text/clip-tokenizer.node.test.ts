import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { fc, test } from "@fast-check/vitest";
import { describe, expect, vi } from "vitest";
import { SidError } from "../../../src/core";
import { type ClipTokenizerFiles, type ClipTokenizerOptions, clipTokenizer } from "../../../src/models";
import { expectSidError } from "../../support/errors";

/** What test/golden/clip_tokenizer.py writes. */
interface Golden {
  readonly folders: Record<"sd15" | "sd21", Pick<ClipTokenizerFiles, "tokenizerConfig" | "specialTokensMap">>;
  readonly vocab: Record<string, number>;
  readonly merges: readonly string[];
  readonly prompts: readonly (readonly [prompt: string, sd15: number[], sd21: number[] | null])[];
}

const golden: Golden = JSON.parse(
  gunzipSync(readFileSync(new URL("../../golden/clip-tokenizer.json.gz", import.meta.url))).toString(),
);
type Ids = readonly (readonly [prompt: string, ids: number[]])[];

/** What test/golden/clip_tokenizer_5.py writes. */
const saved: Readonly<
  Record<
    "sd15" | "sd21" | "added",
    {
      readonly tokenizerJson: { readonly model: object };
      readonly tokenizerConfig: Readonly<Record<string, unknown>>;
      readonly prompts?: Ids;
    }
  >
> & { readonly tiny: Ids } = JSON.parse(
  readFileSync(new URL("../../golden/clip-tokenizer-5.json", import.meta.url), "utf8"),
);
const merges = ["#version: 0.2", ...golden.merges, ""].join("\n");
const [start, end] = [49406, 49407];

const sd = (name: "sd15" | "sd21", options: ClipTokenizerOptions = { onWarning: () => {} }) =>
  clipTokenizer({ vocab: golden.vocab, merges, ...golden.folders[name] }, options);
const tokenizer = sd("sd15");
const encode = (prompt: string): number[] => tokenizer([prompt])[0] as number[];

describe("clipTokenizer gives the ids of transformers' CLIPTokenizer", () => {
  for (const [name, pad] of [["sd15", end] as const, ["sd21", 0] as const])
    test(`${name}: 2,000 prompts`, () => {
      const rows = sd(name)(golden.prompts.map(([prompt]) => prompt));
      const wrong = golden.prompts.flatMap(([prompt, sd15, sd21], i) => {
        const ids = (name === "sd21" && sd21) || sd15;
        const wanted = [...ids, ...Array<number>(77 - ids.length).fill(pad)];
        return String(rows[i]) === String(wanted) ? [] : [{ prompt, wanted, came: rows[i] }];
      });
      expect(rows).toHaveLength(2000);
      expect(wrong).toEqual([]);
    });

  describe("a folder that transformers 5 saved: tokenizer.json and tokenizer_config.json alone", () => {
    const pairs = golden.merges.map((merge) => merge.split(" "));
    const whole = (name: "sd15" | "sd21" | "added", merges: unknown, change: object = {}) => ({
      ...saved[name].tokenizerJson,
      model: { ...saved[name].tokenizerJson.model, vocab: golden.vocab, merges, ...change },
    });
    const quiet = { onWarning: () => {} };
    const prompts = golden.prompts.map(([prompt]) => prompt);

    for (const name of ["sd15", "sd21"] as const)
      for (const [kind, merges] of [
        ["pairs", pairs],
        ["lines", golden.merges],
      ] as const)
        test(`${name}, merges as ${kind}: the same ids of 2,000 prompts`, () => {
          const { tokenizerConfig } = saved[name];
          const again = clipTokenizer({ tokenizerJson: JSON.stringify(whole(name, merges)), tokenizerConfig }, quiet);
          expect(again(prompts)).toEqual(sd(name)(prompts));
          expect([again.vocabularySize, again.maxLength]).toEqual([49408, 77]);
        });

    test("with words that were added, as by a textual inversion, in each of the files that tell them", () => {
      const { tokenizerConfig, prompts = [] } = saved.added;
      const words = { "<cat-toy>": 49408, Sks: 49409 };
      const added_tokens_decoder = Object.fromEntries(
        Object.entries(words).map(([content, id]) => [id, { content, normalized: true, special: false }]),
      );
      for (const files of [
        { tokenizerJson: whole("added", pairs), tokenizerConfig },
        { vocab: golden.vocab, merges, tokenizerConfig, addedTokens: words },
        { vocab: golden.vocab, merges, tokenizerConfig: { ...tokenizerConfig, added_tokens_decoder } },
      ]) {
        const tokenizer = clipTokenizer(files);
        expect(tokenizer.vocabularySize).toBe(49410);
        for (const [prompt, ids] of prompts) expect(tokenizer([prompt])[0]?.slice(0, ids.length), prompt).toEqual(ids);
      }
    });

    test("a vocabulary without most bytes: the token for the unknown stands for each of them, as in transformers", () => {
      const read = (name: string) =>
        readFileSync(new URL(`../../golden/model-folder/tokenizer/${name}`, import.meta.url));
      const files = { tokenizerJson: `${read("tokenizer.json")}`, tokenizerConfig: `${read("tokenizer_config.json")}` };
      const tiny = clipTokenizer(files, { maxLength: 12 });
      for (const [prompt, ids] of saved.tiny) expect(tiny([prompt])[0]?.slice(0, ids.length), prompt).toEqual(ids);
      expect([tiny.vocabularySize, tiny.maxLength]).toEqual([7, 12]);
      const { model, ...rest } = JSON.parse(files.tokenizerJson);
      const without = { ...rest, model: { ...model, unk_token: null } };
      expectSidError("corrupt-file", () => clipTokenizer({ tokenizerJson: without }), /vocab must hold all 512 bytes/);
    });

    test("what is not CLIP's is refused by name", () => {
      const read = (tokenizerJson: unknown) => () => clipTokenizer({ tokenizerJson } as ClipTokenizerFiles);
      const json = whole("sd15", pairs);
      for (const [key, value] of [
        ["type", "Unigram"],
        ["end_of_word_suffix", null],
        ["continuing_subword_prefix", "##"],
        ["dropout", 0.1],
        ["byte_fallback", true],
        ["ignore_merges", true],
      ] as const)
        expectSidError("unsupported", read(whole("sd15", pairs, { [key]: value })), new RegExp(`model.${key}`));
      expectSidError("unsupported", read({ ...json, normalizer: null }), /normalizer/);
      expectSidError("unsupported", read({ ...json, pre_tokenizer: { type: "Whitespace" } }), /pre_tokenizer.*White/);
      const { normalizer, pre_tokenizer } = json as unknown as {
        normalizer: { normalizers: [object, object, object] };
        pre_tokenizer: { pretokenizers: [object, object] };
      };
      const [nfc, replace, lower] = normalizer.normalizers;
      for (const [step, word] of [
        [{ pattern: { String: "a" }, content: "b" }, /normalizer's Replace\.pattern/],
        [{ pattern: { Regex: "\\d+" } }, /normalizer's Replace\.pattern = "\\\\d\+"/],
        [{ pattern: null }, /normalizer's Replace\.pattern/],
        [{ content: "" }, /normalizer's Replace\.content = ""/],
      ] as const) {
        const changed = { type: "Sequence", normalizers: [nfc, { ...replace, ...step }, lower] };
        expectSidError("unsupported", read({ ...json, normalizer: changed }), word);
      }
      const [split, bytes] = pre_tokenizer.pretokenizers;
      const pre = (splits: object, byteLevel: object = {}) =>
        read({
          ...json,
          pre_tokenizer: {
            type: "Sequence",
            pretokenizers: [
              { ...split, ...splits },
              { ...bytes, ...byteLevel },
            ],
          },
        });
      expectSidError("unsupported", pre({ pattern: { Regex: "x" } }), /pre_tokenizer's Split\.pattern = "x"/);
      expectSidError("unsupported", pre({ behavior: "Isolated" }), /Split\.behavior = "Isolated"/);
      expectSidError("unsupported", pre({ invert: false }), /Split\.invert/);
      expectSidError("unsupported", pre({}, { add_prefix_space: true }), /ByteLevel\.add_prefix_space = true/);
      // As version 4 of transformers writes it, which names no use_regex either.
      const regex = "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";
      pre({ pattern: { Regex: regex } }, { use_regex: undefined })();
      for (const key of ["truncation", "padding"] as const) {
        const left = { ...json, [key]: { direction: "Left" } };
        expectSidError("unsupported", read(left), RegExp(`${key}_side "Left"`));
        read({ ...json, [key]: { direction: "Right" } })();
        clipTokenizer({ tokenizerJson: left, tokenizerConfig: { [`${key}_side`]: "right" } });
      }
      for (const merges of [[["a"]], [["a", "b", "c"]], [3], "a b", [["a", 1]]])
        expectSidError("corrupt-file", read(whole("sd15", merges)), /merges|merge/);
      expectSidError("corrupt-file", read({ ...json, model: 3 }), /model must be an object/);
      expectSidError("corrupt-file", read(whole("sd15", pairs, { vocab: [] })), /vocab must be an object/);
      expectSidError("corrupt-file", read({ ...json, added_tokens: [3] }), /added_tokens/);
      expectSidError("corrupt-file", read("version https://git-lfs"), /tokenizerJson is no JSON/);
      const odd = { id: 60_000, content: "sks", lstrip: true };
      expectSidError("unsupported", read({ ...json, added_tokens: [odd] }), /lstrip/);
      expectSidError("invalid-argument", read({ ...json, added_tokens: [{ content: "sks" }] }), /the id of "sks"/);
    });

    const change = fc.oneof(fc.anything(), fc.constantFrom<unknown>(null, {}, [], ["a b"], [["a", "b"]]));
    test.prop({ key: fc.constantFrom("model", "normalizer", "pre_tokenizer", "added_tokens"), change })(
      "whatever comes, it answers or throws a SidError",
      ({ key, change }) => {
        for (const json of [{ ...whole("sd15", []), [key]: change }, whole("sd15", change), change])
          try {
            clipTokenizer({ tokenizerJson: json } as ClipTokenizerFiles);
          } catch (error) {
            expect(error).toBeInstanceOf(SidError);
          }
      },
    );
  });

  test.each([undefined, null, 1e30, 1e20, 1e9])(
    "model_max_length %j is none: the text encoder's positions decide",
    (model_max_length) => {
      const make = (options: ClipTokenizerOptions) =>
        clipTokenizer({ vocab: golden.vocab, merges, tokenizerConfig: { model_max_length } }, options);
      expect(make({}).maxLength).toBe(77);
      expect(make({ maxLength: 5 })(["a cat"])[0]).toHaveLength(5);
      const own = { vocab: golden.vocab, merges, tokenizerConfig: { model_max_length: 60 } };
      expect(clipTokenizer(own, { maxLength: 99 }).maxLength).toBe(60);
    },
  );

  test("texts of the files do as well as what they parse to, whatever ends their lines", () => {
    const { tokenizerConfig, specialTokensMap } = golden.folders.sd21;
    const json = (value: unknown) => JSON.stringify(value);
    const copy = clipTokenizer({
      vocab: json(golden.vocab),
      merges: merges.replaceAll("\n", "\r\n"),
      tokenizerConfig: json(tokenizerConfig),
      specialTokensMap: json(specialTokensMap),
    });
    const prompts = golden.prompts.slice(90, 200).map(([prompt]) => prompt);
    expect(copy(prompts)).toEqual(sd("sd21")(prompts));
    expect([copy.vocabularySize, copy.maxLength]).toEqual([49408, 77]);
  });

  test("added_tokens_decoder completes a bare name: it is then looked for in lower case", () => {
    const added_tokens_decoder = { 49407: { content: "<|endoftext|>", normalized: true, special: true } };
    const decoded = clipTokenizer({ vocab: golden.vocab, merges, tokenizerConfig: { added_tokens_decoder } });
    expect(decoded(["a <|ENDOFTEXT|> b"])[0]?.slice(0, 5)).toEqual([start, 320, end, 321, end]);
    expect(encode("a <|ENDOFTEXT|> b").slice(1, 9)).toEqual([320, 27, 347, 40786, 4160, 91, 285, 321]);
  });

  test("without configuration files: 77 tokens, CLIP's special tokens", () => {
    const bare = clipTokenizer({ vocab: golden.vocab, merges });
    expect(bare(["a cat"])).toEqual(tokenizer(["a cat"]));
  });
});

describe("clipTokenizer", () => {
  const pieceOf = new Map(Object.entries(golden.vocab).map(([piece, id]) => [id, piece]));
  // The bytes' characters are the pieces 0 to 255, those that print before the others.
  const byteOf = new Map(
    [...Array(256).keys()]
      .sort((a, b) => Number(hides(a)) - Number(hides(b)) || a - b)
      .map((byte, id) => [pieceOf.get(id) as string, byte]),
  );
  const decode = (ids: readonly number[]): string => {
    const pieces = ids.slice(1, ids.indexOf(end)).map((id) => pieceOf.get(id) as string);
    const bytes = pieces.flatMap((piece) =>
      [...piece.replace("</w>", " ")].map((c) => (c === " " ? 32 : (byteOf.get(c) as number))),
    );
    return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(bytes));
  };
  const clean = (prompt: string) =>
    prompt
      .normalize("NFC")
      .replaceAll("Σ", "σ")
      .toLowerCase()
      .replace(/\p{Surrogate}/gu, "\ufffd");
  const isShort = (prompt: string) =>
    !encode(prompt)
      .slice(0, -1)
      .every((id) => id !== end);

  const anyText = fc.oneof(
    fc.string({ unit: "binary", maxLength: 15 }),
    fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 15 }).map((units) => String.fromCharCode(...units)),
  );

  test.prop({ prompt: anyText }, { numRuns: 500 })(
    "any text, unpaired surrogates included, decodes to itself but for case, composition and white space",
    ({ prompt }) => {
      fc.pre(isShort(prompt));
      const bare = (text: string) => text.replace(/\p{White_Space}/gu, "");
      expect(bare(decode(encode(prompt)))).toBe(bare(clean(prompt)));
    },
  );

  test.prop({ bytes: fc.uint8Array({ minLength: 1, maxLength: 30 }) })("every byte has its pieces", ({ bytes }) => {
    const prompt = new TextDecoder().decode(bytes);
    for (const id of encode(prompt)) expect(pieceOf.has(id)).toBe(true);
  });

  test.prop({ prompts: fc.array(fc.constantFrom(...golden.prompts.map(([prompt]) => prompt)), { maxLength: 20 }) })(
    "each prompt's row depends on nothing else: not on its company, the order, or what was asked before",
    ({ prompts }) => {
      expect(sd("sd15")(prompts)).toEqual(prompts.map(encode));
    },
  );

  test.prop({
    words: fc.array(fc.constantFrom("a", "dog", "riding", "7", "ΟΔΟΣ", "中文", "🐶", "!"), { maxLength: 12 }),
    spaces: fc.array(fc.constantFrom(" ", "\n", "\u0085", "\u00a0\t", "\u3000"), { minLength: 12, maxLength: 12 }),
  })("white space of any kind and length only separates", ({ words, spaces }) => {
    expect(encode(words.map((word, i) => word + spaces[i]).join(""))).toEqual(encode(words.join(" ")));
  });

  test("an unpaired surrogate counts as U+FFFD, as where it is encoded", () => {
    expect(encode("a \ud83d dog")).toEqual(encode("a \ufffd dog"));
    expect(encode("\udc36")).toEqual(encode("\ufffd"));
  });

  test("a prompt of one enormous word is no trap", () => {
    const begin = performance.now();
    expect(encode("ab".repeat(100_000))).toHaveLength(77);
    expect(encode(`${"x".repeat(50_000)}<|endoftext|>`.repeat(2))).toHaveLength(77);
    expect(performance.now() - begin).toBeLessThan(5000);
  });

  test("a prompt that is cut ends in the end token and is warned of once, with both lengths", () => {
    const warnings: string[] = [];
    const strict = sd("sd15", { onWarning: (warning) => warnings.push(warning) });
    const dogs = (count: number) => Array(count).fill("dog").join(" ");
    const [fits, cut] = strict([dogs(75), dogs(76)]) as [number[], number[]];
    expect(cut).toEqual(fits);
    expect([cut[0], cut[76]]).toEqual([start, end]);
    strict([dogs(76), dogs(76)]);
    expect(warnings).toEqual([
      `clipTokenizer: the prompt "${dogs(15).slice(0, 57)}..." has 78 tokens and is cut to 77.`,
    ]);
    strict([dogs(200)]);
    expect(warnings[1]).toMatch(/has 202 tokens and is cut to 77/);
  });

  test("console.warn is told where nobody else is", () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    clipTokenizer({ vocab: golden.vocab, merges })(["1".repeat(76)]);
    expect(warn).toHaveBeenCalledTimes(1);
    warn.mockRestore();
  });
});

describe("what clipTokenizer refuses", () => {
  const small = { ...golden.vocab };
  const without = (piece: string) => Object.fromEntries(Object.entries(small).filter(([key]) => key !== piece));
  const make = (files: Record<string, unknown>) => () =>
    clipTokenizer({ vocab: small, merges, ...files } as unknown as ClipTokenizerFiles);

  test("a vocabulary that is damaged", () => {
    expectSidError("corrupt-file", make({ vocab: "{" }), /vocab is no JSON/);
    expectSidError("corrupt-file", make({ vocab: without("a") }), /all 512 bytes, "a" is missing/);
    expectSidError("corrupt-file", make({ vocab: without("Ń</w>") }), /"Ń<\/w>" is missing/);
    expectSidError("corrupt-file", make({ vocab: without("<|startoftext|>") }), /"<\|startoftext\|>" is not in vocab/);
    expectSidError("corrupt-file", make({ vocab: without("dog</w>") }), /lacks its product/);
    expectSidError("corrupt-file", make({ vocab: { ...small, b: small["a"] } }), /"a" and "b" one id, 64/);
    for (const [id, code] of [
      [-1, "out-of-range"],
      [1.5, "invalid-argument"],
      ["7", "invalid-argument"],
      [2 ** 40, "out-of-range"],
    ] as const)
      expectSidError(code, make({ vocab: { ...small, a: id } }), /vocab\["a"\]/);
    for (const vocab of [undefined, null, 3, [], "[]", "3"])
      expectSidError("invalid-argument", make({ vocab }), /vocab/);
  });

  test("merges that are damaged", () => {
    const swapped = [...golden.merges].reverse().join("\n");
    expectSidError("corrupt-file", make({ merges: swapped }), /merge 1 of .*products of earlier merges/);
    expectSidError("corrupt-file", make({ merges: `${merges}a b c\n` }), /"a b c": wanted two pieces/);
    expectSidError("corrupt-file", make({ merges: `i n\n\ni t\n` }), /merge 2 of 3, "": wanted two pieces/);
    expectSidError("corrupt-file", make({ merges: `${merges}q zzz\n` }), /"q zzz": its pieces must be bytes/);
    expectSidError("corrupt-file", make({ merges: `${merges}ŀ ŀ\n` }), /"ŀ ŀ": vocab lacks its product/);
    expectSidError(
      "corrupt-file",
      make({ merges: `${merges}${golden.merges[0]}\n` }),
      /an earlier merge has its product/,
    );
    for (const wrong of [undefined, null, 3, golden.merges])
      expectSidError("invalid-argument", make({ merges: wrong }), /merges must be the text/);
  });

  test("configuration files that make no sense or ask for more", () => {
    const config = (tokenizerConfig: unknown) => make({ tokenizerConfig });
    expectSidError("corrupt-file", config("}"), /tokenizerConfig is no JSON/);
    expectSidError("invalid-argument", config([]), /tokenizerConfig must be an object/);
    expectSidError("out-of-range", config({ model_max_length: 1 }), /model_max_length/);
    expectSidError("invalid-argument", config({ model_max_length: "77" }), /model_max_length/);
    expectSidError("corrupt-file", config({ pad_token: 0 }), /pad_token must be a text or a token, got 0/);
    expectSidError("corrupt-file", config({ pad_token: { content: "" } }), /pad_token/);
    expectSidError("corrupt-file", config({ pad_token: "[PAD]" }), /"\[PAD\]" is not in vocab/);
    expectSidError("unsupported", config({ bos_token: { content: "a", lstrip: true } }), /lstrip of bos_token/);
    for (const key of ["padding_side", "truncation_side"]) {
      for (const side of ["left", "Left", 3])
        expectSidError("unsupported", config({ [key]: side }), RegExp(`${key} "?${side}"? is not supported`));
      for (const side of ["right", null]) config({ [key]: side })();
    }
    expectSidError("unsupported", config({ split_special_tokens: true }), /split_special_tokens/);
    config({ split_special_tokens: false })();
  });

  test("options and prompts of the wrong kind", () => {
    const files = { vocab: small, merges };
    for (const bad of [undefined, null, 3, "files"])
      expectSidError("invalid-argument", () => clipTokenizer(bad as unknown as ClipTokenizerFiles));
    for (const bad of [null, 3, { onWarning: 3 }, { maxLength: "77" }])
      expectSidError("invalid-argument", () => clipTokenizer(files, bad as unknown as ClipTokenizerOptions));
    for (const bad of [undefined, null, "a cat", { 0: "a cat" }])
      expectSidError("invalid-argument", () => tokenizer(bad as unknown as string[]), /prompts must be an array/);
    for (const bad of [[undefined], [3], ["a", null], [["a"]]])
      expectSidError("invalid-argument", () => tokenizer(bad as unknown as string[]), /a prompt must be a string/);
  });
});

/** Whether GPT-2's alphabet shows a byte by a character that is not its own. */
function hides(byte: number): boolean {
  return byte < 33 || (byte > 126 && byte < 161) || byte === 173;
}
