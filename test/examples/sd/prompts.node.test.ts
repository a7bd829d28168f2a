import { execFileSync } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, expect, test, vi } from "vitest";
import { runProgram } from "../../../examples/common/program";
import { openPrompts } from "../../../examples/sd/prompts/open";
import { showPrompts, tellCuts } from "../../../examples/sd/prompts/show";

const folder = mkdtempSync(join(tmpdir(), "sid-lsg-prompts-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What is read from a file of this name. */
async function read(name: string, content: string | Uint8Array, captionKey?: string) {
  const path = join(folder, name);
  writeFileSync(path, content);
  const { length, get, description, close } = await openPrompts(path, captionKey);
  const prompts = Array.from({ length }, (_, i) => get(i));
  close();
  return { prompts, description };
}

const foxes = ["a café", "a fox, red", 'a "big" cat'];
const json = JSON.stringify;

test.each<[string, string, string | Uint8Array, string?]>([
  ["text in lines of any system, with a mark", "a.txt", '\uFEFFa café\r\n\r\n  \n a fox, red \ra "big" cat'],
  ["text without a last line end, under any name", "list", 'a café\na fox, red\na "big" cat'],
  ["JSON lines", "a.jsonl", `${foxes.map((caption, id) => json({ id, caption })).join("\n")}\n`],
  [
    "JSON lines under another name and key, with nulls",
    "b.txt",
    `${foxes.map((TEXT) => json({ TEXT })).join("\r\n")}\n{"TEXT":null}\n\n`,
  ],
  ["JSON lines called .json", "b.json", foxes.map((text) => json({ text, prompt_id: 7 })).join("\n")],
  ["JSON lines of texts", "c.jsonl", foxes.map((text) => json(text)).join("\n")],
  [
    "a table with commas, quotes and a line end in a cell",
    "a.csv",
    'url,caption\n"x\n,y",a café\nx,"a fox, red"\nx,"a ""big"" cat"\n',
  ],
  [
    "a table with a mark, CRLF and blank lines",
    "b.csv",
    '\uFEFFcaption,url\r\na café,x\r\n\r\n"a fox, red",x\r\n"a ""big"" cat",x',
  ],
  ["a table with tabs", "a.tsv", 'Prompt\tCategory\na café\tx\na fox, red\tx\n"a ""big"" cat"\tx\n'],
  ["a table with semicolons and an index", "c.csv", ';caption;url\n0;a café;x\n1;a fox, red;x\n2;"a ""big"" cat";x\n'],
  ["a table of one column", "d.csv", 'prompt\na café\n"a fox, red"\n"a ""big"" cat"\n'],
  [
    "a table that is called text, by its key",
    "e.txt",
    'image_id,caption\n1,a café\n2,"a fox, red"\n3,"a ""big"" cat"\n',
    "caption",
  ],
  ["a table with tabs that is called text", "g.txt", 'id\tcaption\n1\ta café\n2\ta fox, red\n3\t"a ""big"" cat"\n'],
  [
    "a JSON document that is called text",
    "h.txt",
    json({ annotations: foxes.map((caption) => ({ caption })) }, null, 2),
  ],
  ["a JSON list that is called text", "i.txt", json(foxes)],
  ["a JSON list with its first text in the first line", "j.txt", json(foxes).replaceAll('",', '",\n')],
  ["a table by its key", "f.txt", 'n;was da steht\n1;a café\n2;a fox, red\n3;"a ""big"" cat"\n', "was da steht"],
  [
    "COCO's captions",
    "captions.json",
    json({
      info: { year: 2014 },
      images: [],
      annotations: foxes.map((caption, id) => ({ id, image_id: 9, caption: `${caption}\n` })),
    }),
  ],
  [
    "COCO's captions over many lines",
    "captions2.json",
    json({ images: [], annotations: foxes.map((caption) => ({ caption })) }, null, 2),
  ],
  [
    "COCO's captions with a mark",
    "captions3.json",
    `\uFEFF${json({ annotations: foxes.map((caption) => ({ caption })) })}`,
  ],
  ["JSON lines with a mark", "d.jsonl", `\uFEFF${foxes.map((caption) => json({ caption })).join("\r\n")}`],
  ["a JSON list", "list.json", json(foxes, null, 1)],
  ["a JSON list of objects", "list2.json", json(foxes.map((prompt) => ({ prompt, seed: 1 })))],
])("%s: the same prompts", async (_, name, content, key) => {
  expect((await read(name, content, key)).prompts).toEqual(foxes);
});

test("what looks like JSON or a table at first sight is text where it is text", async () => {
  const lines = [
    '"vw bus, canvas art, in the style of brian mashburn --ar 73:92"',
    "'very beautiful girl in bright leggings, white short top.",
    "{red|blue} fox, [cinematic], (masterpiece:1.2)",
    "<lora:fox:1> caption, text, prompt",
    "PAR1 of the golf course, BZh, a photo",
  ];
  for (const first of lines) {
    const text = [first, ...lines.filter((line) => line !== first)];
    expect((await read("t.txt", text.join("\n"))).prompts).toEqual(text);
  }
  expect((await read("u.txt", "[photo] of a cat, 8k\nan [old] map\n")).prompts).toHaveLength(2);
});

test.each([
  "[[cat]] photo",
  "[[cat]], masterpiece,",
  '["a cat"], photo',
  '["vw bus", on a road',
  "['90s photo] of a cat",
  '{"red": 0.5} fox',
  '{"red"|"blue"} fox',
  "{}",
  "[]",
  "logo, text, minimal",
  "logo| text| minimal",
  "logo,text,minimal",
  "caption",
])("a text may begin with %s", async (first) => {
  const text = [first, "a red fox", "a cat"];
  expect((await read("t.txt", text.join("\n"))).prompts).toEqual(text);
  expect((await read("t", text.join("\r\n"))).prompts).toEqual(text);
});

test("lines of words between commas are a text, one of them a caption or not", async () => {
  const text = ["logo, text, minimal", "a, b, c", "d, e, f"];
  expect((await read("t.txt", text.join("\n"))).prompts).toEqual(text);
  expect((await read("one.txt", "logo,text,minimal\n")).prompts).toEqual(["logo,text,minimal"]);
});

test("a table in quotes of a cell, of a CSV, is text", async () => {
  const cell = "a drawing of\n| a | b |\n|---|---|\n| 1 | 2 |";
  expect((await read("q.csv", `id,caption\n1,a fox\n2,"${cell}"\n`)).prompts).toEqual(["a fox", cell]);
});

test("a terminal gets no character that steers it", async () => {
  const path = join(folder, "escape.txt");
  writeFileSync(path, "a \x1b[31mred\x07 fox\na \u202ecat\u009b, 狐 👩‍🚀\n");
  const prompts = await openPrompts(path);
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  showPrompts(prompts);
  const told = log.mock.calls.map(([line]) => line);
  log.mockRestore();
  expect(told.slice(1)).toEqual(["  1. a \\u001b[31mred\\u0007 fox", "  2. a \\u202ecat\\u009b, 狐 👩‍🚀"]);
  expect(prompts.get(0)).toBe("a \x1b[31mred\x07 fox");
  prompts.close();
  const error = vi.spyOn(console, "error").mockImplementation(() => {});
  const { exitCode } = process;
  await runProgram(() => read("escape.jsonl", '{"text":"a"}\n\x1b[31m\n') as Promise<never>);
  process.exitCode = exitCode;
  expect(error.mock.calls.join()).toContain("\\u001b[31m");
  expect(error.mock.calls.join()).not.toContain("\x1b");
  error.mockRestore();
});

const coco = (annotation: object) => json({ annotations: [annotation] });

test.each<[string, string, string | Uint8Array, RegExp, string?]>([
  ["nothing", "empty.txt", "", /holds no prompts/],
  ["blank lines", "blank.txt", "\n \r\n\t\n", /holds no prompts/],
  ["a header alone", "header.csv", "id,caption\n", /holds no prompts \(a table with commas, column "caption"\)/],
  ["an empty list", "none.json", "[]", /holds no prompts/],
  ["gzip", "a.jsonl.gz", gzipSync("a fox\n"), /a\.jsonl\.gz is a gzip archive; unpack it first: gunzip/],
  ["Parquet", "a.parquet", Buffer.from("PAR1\x15\0\x15"), /is a Parquet file; write its captions as JSON lines/],
  ["a zip", "a.csv", Buffer.from("PK\x03\x04\x14\0\0"), /is a zip archive/],
  [
    "a tar archive",
    "a.tar",
    Buffer.concat([Buffer.alloc(257), Buffer.from("ustar\0"), Buffer.alloc(300)]),
    /is a tar archive/,
  ],
  [
    "a table in Markdown",
    "a.md",
    "## Prompts\n\n| Seed | Prompt |\n|------|:-------|\n| 668 | a fox |\n",
    /looks like a Markdown table/,
  ],
  ["a table in Markdown, with a caption", "a.md", "| id | caption |\n|---|---|\n| 1 | a |\n", /like a Markdown table/],
  ["the same without outer bars", "a.md", "id | caption\n--- | :-:\n1 | a\n", /like a Markdown table/],
  ["the same without spaces", "a.txt", "id|caption\n-|-\n1|a\n", /like a Markdown table/],
  ["the same called a table", "a.csv", "| id | caption |\n|---|---|\n| 1 | a |\n", /like a Markdown table/],
  ["the same with a key", "a.md", "| id | capt |\n|---|---|\n| 1 | a |\n", /like a Markdown table/, "capt"],
  ["a table of psql", "a.txt", " id | caption \n----+---------\n  1 | a\n", /like a Markdown table, or a printed one/],
  ["a table of MySQL", "a.txt", "+----+---------+\n| id | caption |\n+----+---------+\n", /or a printed one/],
  [
    "text or a table",
    "captions.txt",
    'image,caption\n1.jpg,A child .\n2.jpg,"A dog, black ."\n',
    /may be a table with commas or a text, by its first line "image,caption"; for a table add --caption-key caption or name it \.csv, for a text write ", " for "," in that line\./,
  ],
  ["text or a table, in rows of many widths", "t.txt", "a|text\nb|c\nd\n", /may be a table with bars or a text/],
  [
    "text or a table, with tabs",
    "t.txt",
    "a\ttext\nb\tc\nd\n",
    /for a table .* \.tsv, for a text write spaces for its tabs/,
  ],
  [
    "a caption of endless depth",
    "deep.json",
    `{"annotations":[{"caption":${"[".repeat(20_000)}${"]".repeat(20_000)}}]}`,
    /annotations\[0\]: "caption" must be text, got \[\[\["\.\.\."\]\]\]/,
  ],
  ["lists of lists", "a.txt", '[["a fox"]]', /\[0\]: wanted an object .* begins with a line that is no JSON/],
  ["a JSON list before text", "a.txt", '["a fox"]\na cat\n', /is none: .* begins with a line that is no JSON/],
  ["a zero far in", "a.txt", `${"a fox\n".repeat(20_000)}a\0cat\n`, /line 20001: a NUL byte, .* a binary file/],
  ["a list in Python", "a.txt", "['a fox', 'a cat']\n", /begins like JSON, but is none/],
  ["a picture", "a.txt", Buffer.from("89504e470d0a1a0a0000", "hex"), /is a PNG picture; wanted captions/],
  [
    "a Git-LFS pointer",
    "a.txt",
    "version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
    /is a Git-LFS pointer.* git lfs pull/,
  ],
  ["a page", "a.txt", "\n<!DOCTYPE html>\n<html>", /is an HTML page; download the file itself/],
  ["rich text", "a.txt", "{\\rtf1\\ansi a fox}", /is a rich-text document; save it as plain text/],
  [
    "UTF-16 with a mark",
    "a.txt",
    Buffer.from("\uFEFFa fox\n", "utf16le"),
    /is text in UTF-16; convert it: iconv -f UTF-16/,
  ],
  [
    "UTF-16 without one",
    "a.txt",
    Buffer.from("a fox\n", "utf16le"),
    /is text in UTF-16; convert it: iconv -f UTF-16LE/,
  ],
  ["UTF-16, the other way round", "a.txt", Buffer.from("a fox\n", "utf16le").swap16(), /UTF-16BE/],
  ["Latin-1", "a.txt", Buffer.from("a fox\n\na café\n", "latin1"), /a\.txt: line 3: no UTF-8; .*iconv -f WINDOWS-1252/],
  ["Latin-1 in a table", "a.csv", Buffer.from("id,text\r\n1,a\r\n2,é\r\n", "latin1"), /line 3: no UTF-8/],
  ["a zero in text", "a.txt", "a fox\na\0fox\n", /no text but a binary file/],
  ["one endless line", "a.txt", "fox ".repeat(300_000), /line 1: a row of more than 1048576 bytes/],
  ["text called .jsonl", "a.jsonl", "a fox\n", /is named \.jsonl, but its first line is no JSON/],
  ["text called .json", "a.json", "a fox\n", /begins with "a fox", which is no JSON/],
  [
    "text called .csv",
    "a.csv",
    "a fox, red\na cat\n",
    /the first row must name the columns: .*there is "a fox", "red"/,
  ],
  ["a broken row of JSON lines", "a.jsonl", '{"text":"a"}\n{"text":"b"\n', /line 2: no JSON \(/],
  [
    "a row without the key",
    "a.jsonl",
    '{"text":"a"}\n\n{"txt":"b"}\n',
    /line 3: there is no "text", but "txt"; did you mean --caption-key txt\?/,
  ],
  [
    "a key that is absent",
    "a.jsonl",
    '{"captoin":"a","id":1}\n',
    /line 1: there is no "caption", but "captoin", "id"; did you mean --caption-key captoin\?/,
    "caption",
  ],
  [
    "no key at all",
    "a.jsonl",
    '{"alt":"a","url":"b"}\n',
    /name the one that holds the captions with --caption-key; there is "alt", "url"/,
  ],
  ["a number for a caption", "a.jsonl", '{"text":7}\n', /"text" must be text, got 7/],
  [
    "a row that is a list",
    "a.jsonl",
    '{"text":"a"}\n["a","b"]\n',
    /line 2: wanted an object with the caption, got \["a","b"\]/,
  ],
  [
    "a column that is absent",
    "a.csv",
    "url,capt,n\nx,y,1\n",
    /there is no "caption", but "url", "capt", "n"; did you mean --caption-key capt\?/,
    "caption",
  ],
  ["a key for plain text", "a.txt", "a red fox\na cat\n", /named \.txt and needs no key/, "caption"],
  ["two columns of one name", "a.csv", "text,text\na,b\n", /two columns are named "text"/],
  [
    "a row with more cells",
    "a.csv",
    "id,text\n1,a fox\n2,a fox, red\n",
    /line 3: 3 cells where the header has 2; .* stands in quotes/,
  ],
  ["a row with fewer cells", "a.tsv", "id\ttext\n1\ta fox\n2\n", /line 3: 1 cells where the header has 2/],
  [
    "a quote that stays open",
    "a.csv",
    'id,text\n1,"a fox\n2,a cat\n',
    /line 2: a cell begins with a quote that never closes/,
  ],
  ["text after a quote", "a.csv", 'id,text\n1,"a" fox\n', /line 2: the quotes of cell 2 close before its end/],
  [
    "tabs without a header",
    "a.txt",
    "1.jpg#0\tA man .\n1.jpg#1\tA fox .\n",
    /looks like a table with tabs and without a header/,
  ],
  [
    "COCO's other files",
    "instances.json",
    coco({ bbox: [1], id: 2 }),
    /name the one .* there is "bbox", "id"\. COCO's captions are in captions_\*\.json/,
  ],
  [
    "COCO with a bad row",
    "c.json",
    json({ annotations: [{ caption: "a" }, { id: 1 }] }),
    /annotations\[1\]: there is no "caption"/,
  ],
  [
    "another JSON document",
    "o.json",
    json({ images: [], licenses: [] }),
    /wanted a list, or COCO's "annotations".* images, licenses/,
  ],
  ["a document that was cut off", "cut.json", '{\n "annotations": [', /begins like JSON, but is none/],
])("%s is refused by name", async (_, name, content, message, key) => {
  await expect(read(name, content, key)).rejects.toThrow(message);
  await expect(read(name, content, key)).rejects.toThrow(join(folder, name));
});

test("what is no file is refused", async () => {
  mkdirSync(join(folder, "folder"), { recursive: true });
  await expect(openPrompts(join(folder, "folder"))).rejects.toThrow("is a folder; wanted a file");
  await expect(openPrompts(join(folder, "absent.txt"))).rejects.toThrow(/--prompts: ENOENT.*absent\.txt/);
  await expect(openPrompts("/dev/null")).rejects.toThrow("is no file on a disk");
});

test("prompts are found by number wherever rows lie, over the ends of chunks", async () => {
  const prompts = Array.from({ length: 120_001 }, (_, i) => `${"é".repeat(i % 60)} fox ${i}`);
  const text = prompts.map((prompt, i) => `${prompt}${i % 7 === 0 ? "\r\n\r\n" : "\n"}`).join("");
  const table = prompts.map((prompt, i) => (i % 3 === 0 ? `"${prompt}\n""${i}""",1\n` : `${prompt},2\r\n`)).join("");
  expect(text.length).toBeGreaterThan(1 << 22);
  const cells = prompts.map((prompt, i) => (i % 3 === 0 ? `${prompt}\n"${i}"` : prompt));
  for (const [name, content, wanted] of [
    ["many.txt", text, prompts],
    ["many.csv", `text,n\n${table}`, cells],
  ] as const) {
    writeFileSync(join(folder, name), content);
    const { length, get, close } = await openPrompts(join(folder, name));
    expect(length).toBe(prompts.length);
    for (let i = 0; i < length; i += i % 10_000 < 40 ? 1 : 41) expect(get(i)).toBe(wanted[i]?.trim());
    expect(get(length - 1)).toBe(wanted.at(-1)?.trim());
    close();
  }
});

test("12 million prompts, more than a string may hold, open within a minute and 300 MB", () => {
  const path = join(folder, "official.txt");
  const file = openSync(path, "w");
  for (let first = 0; first < 12_000_000; first += 100_000)
    writeSync(
      file,
      Array.from({ length: 100_000 }, (_, i) => `a photo, number ${first + i}, of a red fox in snow\n`).join(""),
    );
  closeSync(file);
  const program = ["--import", "./scripts/run-typescript.mjs", "test/support/open-prompts.ts", path];
  const lines = execFileSync(process.execPath, program, { encoding: "utf8" }).trim().split("\n");
  rmSync(path);
  const { seconds, megabytes, ...found } = JSON.parse(lines.at(-1) as string);
  expect(found).toEqual({
    length: 12_000_000,
    first: "a photo, number 0, of a red fox in snow",
    last: "a photo, number 11999999, of a red fox in snow",
  });
  expect(lines.filter((line) => line.startsWith("reading prompts, MB")).length).toBeGreaterThan(5);
  expect(seconds).toBeLessThan(60);
  expect(megabytes).toBeLessThan(300);
});

test("a JSON document that is longer than a string may be is refused before it is read, with the way out", async () => {
  const path = join(folder, "big.json");
  writeFileSync(path, `[{"caption": "a fox"},${" ".repeat(1 << 16)}`);
  truncateSync(path, 600_000_000);
  await expect(openPrompts(path)).rejects.toThrow(
    /big\.json begins like one JSON document, of 600 MB, of which Node can read 537 MB at once; .* jq -c/,
  );
  rmSync(path);
});

test("a cell holds line ends between doubled quotes, and a quote that is no cell's first letter is one", async () => {
  const cells = ['a ""big\n"" cat', '5"" tall\n""', '""\n""', 'a\r\n""'].map((cell) => `"${cell}",1\n`);
  const { prompts } = await read("quotes.csv", `text,n\n${cells.join("")}a 5" fox,1\na "" b,1\n"",1\n`);
  expect(prompts).toEqual(['a "big\n" cat', '5" tall\n"', '"\n"', 'a\r\n"', 'a 5" fox', 'a "" b']);
});

test("rows without a caption are counted", async () => {
  const { prompts, description } = await read("gaps.csv", "id,text\n1,a fox\n2,\n3,  \n4,a cat\n");
  expect(prompts).toEqual(["a fox", "a cat"]);
  expect(description).toMatch(
    /2 prompts, read as a table with commas, column "text"; 2 rows without one do not count$/,
  );
});

test("a file that changes has another fingerprint, and is not read while it is in use", async () => {
  const path = join(folder, "changing.txt");
  const open = async (text: string, name = path) => {
    writeFileSync(name, text);
    return openPrompts(name);
  };
  const one = await open("a fox\na cat\n");
  const same = await open("a fox\na cat\n", join(folder, "elsewhere.txt"));
  expect(same.fingerprint).toBe(one.fingerprint);
  utimesSync(path, 1, 1);
  expect(() => one.get(0)).toThrow("the file was changed while it was in use");
  const other = await open("a fox\na bat\n");
  expect(other.fingerprint).not.toBe(one.fingerprint);
  for (const { close } of [one, same, other]) close();
});

test("prompts that are cut are counted, and estimated where there are very many", () => {
  const source = (length: number) => ({ length, get: (i: number) => (i % 10 === 0 ? "long" : "") });
  let asked = 0;
  const isCut = (prompt: string) => asked++ >= 0 && prompt === "long";
  expect(tellCuts(source(50), isCut)).toBe("5 of 50 prompts are too long and cut.");
  expect(tellCuts(source(9), () => false)).toBeUndefined();
  asked = 0;
  expect(tellCuts(source(12_345_678), isCut)).toMatch(
    /^About 10 % of 12,345,678 prompts are too long and cut \(estimated from 10,000\)\.$/,
  );
  expect(asked).toBe(10_000);
});
