import { execFileSync } from "node:child_process";
import { cpSync, linkSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { encode } from "fast-png";
import jpeg from "jpeg-js";
import { afterAll, describe, expect, test } from "vitest";
import { openImageFolder } from "../../../examples/sd/images/open";

const home = mkdtempSync(join(tmpdir(), "sid-lsg-images-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** A PNG of 9 × 8 pixels of one grey. */
const png = (grey: number) => encode({ width: 9, height: 8, channels: 3, data: new Uint8Array(9 * 8 * 3).fill(grey) });
const jpg = (grey: number) => jpeg.encode({ width: 9, height: 8, data: Buffer.alloc(9 * 8 * 4, grey) }, 95).data;

let count = 0;

/** A new folder with these files. */
function folder(files: Readonly<Record<string, string | Uint8Array>>): string {
  const path = join(home, `folder-${count++}`);
  mkdirSync(path);
  for (const [name, content] of Object.entries(files)) put(path, name, content);
  return path;
}

function put(path: string, name: string, content: string | Uint8Array): void {
  mkdirSync(dirname(join(path, name)), { recursive: true });
  writeFileSync(join(path, name), content);
}

/** What is in it: paths and captions, and what was told. */
async function read(path: string, captionKey?: string) {
  const warnings: string[] = [];
  const opened = await openImageFolder(path, { captionKey, onWarning: (warning) => warnings.push(warning) });
  const captions = Object.fromEntries(
    Array.from({ length: opened.length }, (_, i) => [opened.path(i), opened.caption(i)]),
  );
  return { opened, captions, warnings };
}

const json = (rows: readonly object[]) => `${rows.map((row) => JSON.stringify(row)).join("\n")}\n`;

describe("captions", () => {
  test("lie beside the pictures, in folders of any depth, under endings of any case", async () => {
    const path = folder({
      "b.PNG": png(1),
      "b.txt": "\uFEFFa red fox\n",
      "a.jpeg": jpg(2),
      "a.caption": "a  blue\nboat ",
      "deep/er/c.JPG": jpg(3),
      "deep/er/c.txt": "a café",
      "notes.txt": "of no picture",
      ".hidden/d.png": "not looked at",
      "._b.PNG": "what a Mac leaves behind",
      "__MACOSX/b.png": "what its archives hold",
    });
    const { captions, warnings, opened } = await read(path);
    expect(captions).toEqual({ "a.jpeg": "a blue boat", "b.PNG": "a red fox", "deep/er/c.JPG": "a café" });
    expect(Object.keys(captions)).toEqual(["a.jpeg", "b.PNG", "deep/er/c.JPG"]);
    expect(warnings).toEqual([]);
    expect(opened.description).toMatch(/folder-\d+: 3 pictures$/);
    expect(opened.picture(1)).toEqual({ width: 9, height: 8, data: new Uint8Array(9 * 8 * 3).fill(1) });
  });

  test.each<[string, Record<string, string>, string?]>([
    [
      "metadata.jsonl",
      {
        "metadata.jsonl": json([
          { file_name: "a.png", text: "a red fox" },
          { file_name: "./x\\b.png", text: " a blue boat" },
        ]),
      },
    ],
    [
      "metadata.csv with a mark, CRLF and quotes",
      { "metadata.csv": '\uFEFFid,file_name,text\r\n1,a.png,a red fox\r\n\r\n2,x/b.png,"a blue boat"\r\n' },
    ],
    [
      "one in each folder, and another key",
      {
        "metadata.jsonl": json([{ caption: "a red fox", file_name: "a.png" }]),
        "x/metadata.csv": "file_name,caption\nb.png,a blue boat\n",
      },
    ],
    [
      "a key that is named",
      {
        "metadata.jsonl": json([
          { file_name: "a.png", text: "no", label: "a red fox" },
          { file_name: "x/b.png", text: "no", label: "a blue boat" },
        ]),
      },
      "label",
    ],
    [
      "of which one is missing, beside a text",
      { "metadata.jsonl": json([{ file_name: "x/b.png", text: "a blue boat" }]), "a.txt": "a red fox" },
    ],
    [
      "of which one is null, beside a text",
      {
        "metadata.jsonl": json([
          { file_name: "x/b.png", text: "a blue boat" },
          { file_name: "a.png", text: null },
        ]),
        "a.txt": "a red fox",
      },
    ],
  ])("are in %s", async (_, files, captionKey) => {
    const { captions, warnings } = await read(folder({ "a.png": png(1), "x/b.png": png(2), ...files }), captionKey);
    expect(captions).toEqual({ "a.png": "a red fox", "x/b.png": "a blue boat" });
    expect(warnings).toEqual([]);
  });

  test("are found where names write é as two letters", async () => {
    const path = folder({ ["caf\u0065\u0301.png"]: png(1), "metadata.csv": "file_name,text\ncaf\u00e9.png,a café\n" });
    expect(Object.values((await read(path)).captions)).toEqual(["a café"]);
  });

  test("that are nowhere are empty, with one line that says so", async () => {
    const { captions, warnings } = await read(
      folder({ "a.png": png(1), "b.png": png(2), "b.txt": "b", "c.png": png(3) }),
    );
    expect(captions).toEqual({ "a.png": "", "b.png": "b", "c.png": "" });
    expect(warnings).toEqual(["--images: 2 of 3 pictures have no caption and get the empty one, such as a.png."]);
  });

  test("of pictures that are not there are told, in one line", async () => {
    const rows = ["a", "gone", "lost"].map((name) => ({ file_name: `${name}.png`, text: name }));
    const { warnings } = await read(folder({ "a.png": png(1), "metadata.jsonl": json(rows) }));
    expect(warnings).toEqual([
      "--images: 2 of 3 rows of metadata.jsonl name no picture that is here, such as gone.png.",
    ]);
  });

  test.each<[string, Record<string, string | Uint8Array>, RegExp, string?]>([
    [
      "no row names a picture",
      { "metadata.jsonl": json([{ file_name: "train/a.png", text: "x" }]) },
      /no row of metadata\.jsonl names a picture that is here: the first is train\/a\.png, and there is a\.png; paths begin where/,
    ],
    [
      "no file_name",
      { "metadata.jsonl": json([{ file: "a.png", text: "x" }]) },
      /metadata\.jsonl, line 1: wanted the picture's path under "file_name"; there is file, text\.$/,
    ],
    [
      "no known column",
      { "metadata.csv": "file_name,label\na.png,x\n" },
      /metadata\.csv, line 1: name the one that holds the captions with --caption-key; there is "label"\.$/,
    ],
    [
      "another column",
      { "metadata.csv": "file_name,text\na.png,x\n" },
      /there is no "txt", but "text"; did you mean --caption-key text\?$/,
      "txt",
    ],
    [
      "no column of pictures",
      { "metadata.csv": "image,text\na.png,x\n" },
      /wanted a column "file_name"; there is image, text\.$/,
    ],
    [
      "a cell too many",
      { "metadata.csv": "file_name,text\na.png,x,y\n" },
      /metadata\.csv, line 2: 3 cells where the header has 2; a cell with a comma stands in quotes\.$/,
    ],
    ["no JSON", { "metadata.jsonl": '{"file_name":"a.png","text":"x"}\n{"file' }, /metadata\.jsonl, line 2: no JSON/],
    [
      "a number for a caption",
      { "metadata.jsonl": json([{ file_name: "a.png", text: 3 }]) },
      /line 1: "text" must be text, got 3\.$/,
    ],
    [
      "a picture twice",
      { "metadata.csv": "file_name,text\na.png,x\na.png,y\n" },
      /line 3: a\.png has a caption already; keep one row per picture\.$/,
    ],
    [
      "a picture in two files",
      { "metadata.csv": "file_name,text\na.png,x\n", "metadata.jsonl": json([{ file_name: "a.png", text: "x" }]) },
      /metadata\.jsonl names a\.png, which another metadata file names too\.$/,
    ],
    [
      "a text in another encoding",
      { "a.txt": Buffer.from("caf\xe9", "latin1") },
      /a\.txt is no UTF-8; convert it from its encoding\.$/,
    ],
    ["a text of zeros", { "a.txt": "a\0b" }, /a\.txt holds NUL bytes, so it is no caption in UTF-8\.$/],
    [
      "metadata in Parquet",
      { "metadata.parquet": "PAR1" },
      /metadata\.parquet is not read; write it as metadata\.jsonl/,
    ],
    [
      "metadata in another encoding",
      { "metadata.csv": Buffer.from("file_name,text\na.png,caf\xe9\n", "latin1") },
      /metadata\.csv, line 2: no UTF-8/,
    ],
  ])("are refused: %s", async (_, files, message, captionKey) => {
    const refused = read(folder({ "a.png": png(1), ...files }), captionKey);
    await expect(refused).rejects.toThrow(/^--images: \S*folder-\d+: /);
    await expect(refused).rejects.toThrow(message);
  });
});

describe("pictures", () => {
  test("that cannot be used are named together, before anything else is done", async () => {
    const files = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`bad-${i}.png`, "GIF89a"]));
    const path = folder({ "a.png": png(1), "cut.jpg": jpg(1).subarray(0, -2), "empty.png": "", ...files });
    const thrown = await read(path).catch((error: Error) => error.message);
    expect(thrown).toMatch(
      /: 12 of 13 pictures cannot be used; mend them or take them out:\n {2}bad-0\.png is a GIF; convert it to PNG or JPEG\n/,
    );
    expect(thrown).toMatch(/\n {2}bad-7\.png [^\n]*\n {2}and 4 more\.$/);
  });

  test("are known by their bytes, not by their names", async () => {
    const { opened } = await read(folder({ "a.jpg": png(7), "b.png": jpg(200) }));
    expect(opened.picture(0).data[0]).toBe(7);
    expect(Math.abs((opened.picture(1).data[0] as number) - 200)).toBeLessThan(3);
  });

  test("of other formats are passed over, with a line that says so", async () => {
    const { warnings, opened } = await read(
      folder({ "a.png": png(1), "a.txt": "a", "b.webp": "", "c.webp": "", "d.GIF": "" }),
    );
    expect(opened.length).toBe(1);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(
      /passed over \((2 \.webp, 1 \.gif|1 \.gif, 2 \.webp)\); convert pictures to PNG or JPEG, unpack archives\.$/,
    );
  });

  test("are wanted: an empty folder, one of other formats, a file and a folder that is not there are refused", async () => {
    await expect(read(folder({}))).rejects.toThrow(/: there is no PNG or JPEG in it\.$/);
    await expect(read(folder({ "a.webp": "" }))).rejects.toThrow(
      /no PNG or JPEG in it, but 1 \.webp; convert pictures/,
    );
    await expect(read(folder({ "00000.tar": "" }))).rejects.toThrow(
      /no PNG or JPEG in it, but 1 \.tar; .*unpack archives\.$/,
    );
    await expect(read(join(folder({ "a.png": png(1) }), "a.png"))).rejects.toThrow(/is a file; wanted a folder/);
    await expect(read(join(home, "nowhere"))).rejects.toThrow(/^--images: \S+nowhere: is not there\.$/);
  });

  test("behind links count, and links that go round do not", async () => {
    const target = folder({ "blobs/1": png(5), "more/b.png": png(6), "more/b.txt": "six" });
    const path = folder({ "a.txt": "five" });
    symlinkSync(join(target, "blobs/1"), join(path, "a.png"));
    symlinkSync(join(target, "more"), join(path, "sub"));
    symlinkSync(path, join(path, "round"));
    symlinkSync(join(home, "gone"), join(path, "gone.png"));
    expect((await read(path)).captions).toEqual({ "a.png": "five", "sub/b.png": "six" });
  });

  test("that are others by now are refused when they are drawn", async () => {
    const path = folder({ "a.png": png(1), "a.txt": "a" });
    const { opened } = await read(path);
    put(path, "a.png", png(2));
    expect(() => opened.picture(0)).toThrow(/^--images: a\.png was changed while it was in use; keep it as it is\.$/);
    rmSync(join(path, "a.png"));
    expect(() => opened.picture(0)).toThrow(/^--images: a\.png cannot be read \(ENOENT/);
  });

  test("whose pixels are damaged are refused when they are drawn, by name", async () => {
    const spoilt = Buffer.from(png(1));
    spoilt[spoilt.length - 20] = 255 ^ (spoilt[spoilt.length - 20] as number);
    const { opened } = await read(folder({ "a.png": spoilt, "a.txt": "a" }));
    expect(() => opened.picture(0)).toThrow(/^--images: a\.png is damaged: .*; delete it or save it anew\.$/);
  });
});

test("memory does not grow with the number of pictures", () => {
  const side = 1000;
  const picture = encode({ width: side, height: side, channels: 3, data: new Uint8Array(side * side * 3).fill(1) });
  /** What a program took that read so many, of 3 MB each. */
  const took = (length: number) => {
    const path = folder({ "0.png": picture });
    for (let i = 1; i < length; i++) linkSync(join(path, "0.png"), join(path, `${i}.png`));
    const program = ["--import", "./scripts/run-typescript.mjs", "test/support/open-images.ts", path];
    const { megabytes, ...found } = JSON.parse(
      execFileSync(process.execPath, program, { encoding: "utf8" }).trim().split("\n").at(-1) as string,
    );
    expect(found).toEqual({ length, sum: length });
    return megabytes as number;
  };
  // 150 MB of pixels more; what is not collected yet is a part of them.
  expect(took(60) - took(10)).toBeLessThan(60);
});

describe("the fingerprint", () => {
  const files = { "a.png": png(1), "a.txt": "one", "x/b.png": png(2), "x/b.txt": "two" };
  const of = async (path: string) => (await read(path)).opened.fingerprint;

  test("is that of the content, wherever it lies", async () => {
    const path = folder(files);
    const print = await of(path);
    expect(print).toMatch(/^[0-9a-f]{16}$/);
    const copy = join(home, `copy-${count++}`);
    cpSync(path, copy, { recursive: true });
    expect(await of(copy)).toBe(print);
  });

  test.each<[string, (path: string) => void]>([
    ["a pixel", (path) => put(path, "a.png", png(3))],
    ["a caption", (path) => put(path, "a.txt", "One")],
    ["a name", (path) => renameSync(join(path, "x"), join(path, "y"))],
    ["another picture", (path) => put(path, "c.png", png(1))],
  ])("changes with %s", async (_, change) => {
    const path = folder(files);
    const print = await of(path);
    change(path);
    expect(await of(path)).not.toBe(print);
  });
});
