/** Words that are one token each; others fall into bytes. */
const words = [
  "a",
  "red",
  "green",
  "blue",
  "fox",
  "cat",
  "boat",
  "house",
  "of",
  "photo",
  "painting",
  "in",
  "the",
  "snow",
];

/** CLIP's files with a vocabulary of the 512 bytes and a few words. */
export function tinyTokenizer() {
  const prints = (byte: number) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  let hidden = 0x100;
  const bytes = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(prints(byte) ? byte : hidden++));
  const merges = new Set<string>();
  for (const word of words) {
    const letters = [...word.slice(0, -1), `${word.at(-1)}</w>`];
    letters.slice(1).forEach((letter, i) => {
      merges.add(`${letters.slice(0, i + 1).join("")} ${letter}`);
    });
  }
  const products = [...merges].map((merge) => merge.replace(" ", ""));
  const special = ["<|startoftext|>", "<|endoftext|>"];
  const pieces = [...bytes, ...bytes.map((byte) => `${byte}</w>`), ...products, ...special];
  const config = {
    tokenizer_class: "CLIPTokenizer",
    model_max_length: 77,
    bos_token: special[0],
    eos_token: special[1],
    unk_token: special[1],
    pad_token: special[1],
  };
  const texts = {
    "vocab.json": JSON.stringify(Object.fromEntries(pieces.map((piece, i) => [piece, i]))),
    "merges.txt": ["#version: 0.2", ...merges, ""].join("\n"),
    "special_tokens_map.json": JSON.stringify({ bos_token: special[0], eos_token: special[1], pad_token: special[1] }),
  };
  return { config, texts, vocabularySize: pieces.length };
}
