import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { SidError } from "../../../src/core";
import { wordTokenizer } from "../../../src/models";

const words = ["a", "red", "green", "seven", "four"];

describe("wordTokenizer", () => {
  test("start, words in the vocabulary's order from 4 on, end, padding", () => {
    const tokenizer = wordTokenizer(words, { maxLength: 6 });
    expect(tokenizer.vocabularySize).toBe(9);
    expect(tokenizer(["A red, SEVEN!", "", "four"])).toEqual([
      [1, 4, 5, 7, 2, 0],
      [1, 2, 0, 0, 0, 0],
      [1, 8, 2, 0, 0, 0],
    ]);
    expect(tokenizer([])).toEqual([]);
  });

  test.prop({
    prompt: fc.array(fc.constantFrom(...words), { maxLength: 4 }),
    spaces: fc.constantFrom(" ", "  ", ", ", "\t"),
  })("every prompt of known words is told apart from every other, and ids stay in range", ({ prompt, spaces }) => {
    const tokenizer = wordTokenizer(words, { maxLength: 6 });
    const [ids] = tokenizer([prompt.join(spaces)]) as [number[]];
    expect(ids).toHaveLength(6);
    const inner = ids.slice(1, ids.indexOf(2));
    expect(inner.map((id) => words[id - 4])).toEqual(prompt);
    expect(Math.max(...ids)).toBeLessThan(tokenizer.vocabularySize);
  });

  test("an unknown word is named, or becomes the id 3", () => {
    const strict = wordTokenizer(words, { maxLength: 6 });
    expect(() => strict(["a mauve four"])).toThrow(/"mauve".*not in the vocabulary of 5 words/);
    expect(wordTokenizer(words, { maxLength: 6, unknown: "token" })(["a mauve four"])).toEqual([[1, 4, 3, 8, 2, 0]]);
  });

  test("a prompt that is too long is refused, not cut", () => {
    const tokenizer = wordTokenizer(words, { maxLength: 4 });
    expect(tokenizer(["red seven"])).toEqual([[1, 5, 7, 2]]);
    expect(() => tokenizer(["a red seven"])).toThrow(/has 3 words, room is for 2/);
  });

  test.prop({
    bad: fc.constantFrom<[unknown, unknown]>(
      [["a", "a"], { maxLength: 5 }],
      [["Red"], { maxLength: 5 }],
      [["two words"], { maxLength: 5 }],
      [[""], { maxLength: 5 }],
      [[3], { maxLength: 5 }],
      ["red", { maxLength: 5 }],
      [undefined, { maxLength: 5 }],
      [["red"], { maxLength: 2 }],
      [["red"], { maxLength: Number.NaN }],
      [["red"], { maxLength: 5, unknown: "ignore" }],
    ),
  })("what is no vocabulary is refused", ({ bad: [list, options] }) => {
    expect(() => wordTokenizer(list as string[], options as { maxLength: number })).toThrow(SidError);
  });

  test.prop({
    prompts: fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.array(fc.integer(), { minLength: 1 })),
  })("what is no list of prompts is refused", ({ prompts }) => {
    expect(() => wordTokenizer(words, { maxLength: 6 })(prompts as unknown as string[])).toThrow(SidError);
  });
});
