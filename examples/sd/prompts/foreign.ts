/** Files that are no prompts, known by their first bytes: what they are, and what to do. */

const unpack = "unpack it first";
const export_ = "write its captions as JSON lines or CSV first";

const signatures: readonly (readonly [string, string, string])[] = [
  ["1f8b", "a gzip archive", `${unpack}: gunzip --keep FILE`],
  ["504b0304", "a zip archive (or an office document)", `${unpack}, or save it as CSV or text`],
  ["425a68", "a bzip2 archive", `${unpack}: bunzip2 --keep FILE`],
  ["fd377a585a00", "an xz archive", `${unpack}: unxz --keep FILE`],
  ["28b52ffd", "a zstd archive", `${unpack}: unzstd FILE`],
  ["377abcaf271c", "a 7z archive", unpack],
  [
    "50415231",
    "a Parquet file",
    `${export_}; in pandas: read_parquet(FILE).to_json(OUT, orient="records", lines=True)`,
  ],
  ["4152524f5731", "an Arrow file", export_],
  ["ffffffff", "an Arrow stream", export_],
  ["934e554d5059", "a NumPy array", export_],
  ["53514c69746520666f726d6174", "an SQLite database", export_],
  ["89504e47", "a PNG picture", "wanted captions"],
  ["ffd8ff", "a JPEG picture", "wanted captions"],
  ["25504446", "a PDF document", "save its text as UTF-8"],
  ["d0cf11e0", "an old office document", "save it as CSV or text"],
];

const beginnings: readonly (readonly [RegExp, string, string])[] = [
  [/^version https:\/\/git-lfs\./, "a Git-LFS pointer", "fetch the file itself: git lfs pull"],
  [/^\s*<(!doctype html|html|head|body)\b/i, "an HTML page", "download the file itself, not the page that shows it"],
  [/^\s*<\?xml\b/, "an XML document", export_],
  [/^\{\\rtf/, "a rich-text document", "save it as plain text in UTF-8"],
];

const utf8 = (from: string) => `convert it: iconv -f ${from} -t UTF-8 FILE > OUT`;

const marks: readonly (readonly [string, string, string])[] = [
  ["fffe0000", "text in UTF-32", utf8("UTF-32")],
  ["0000feff", "text in UTF-32", utf8("UTF-32")],
  ["fffe", "text in UTF-16", utf8("UTF-16")],
  ["feff", "text in UTF-16", utf8("UTF-16")],
];

/** What a file is by its first bytes and how to go on, or undefined where it may be prompts. */
export function foreign(head: Uint8Array): { readonly what: string; readonly remedy: string } | undefined {
  const hex = Buffer.from(head.subarray(0, 16)).toString("hex");
  const text = Buffer.from(head.subarray(0, 256)).toString("latin1");
  // Of the signatures some are letters, with which a prompt may begin as well.
  const binary = !isText(head);
  const found =
    beginnings.find(([pattern]) => pattern.test(text)) ??
    marks.find(([mark]) => hex.startsWith(mark)) ??
    (binary ? signatures.find(([signature]) => hex.startsWith(signature)) : undefined) ??
    (binary ? unmarked(head) : undefined);
  return found && { what: found[1], remedy: found[2] };
}

/** Text without its mark, or no text at all. */
function unmarked(head: Uint8Array) {
  const zeros = [0, 1].map((odd) => head.filter((byte, i) => i % 2 === odd && byte === 0).length) as [number, number];
  const half = head.length / 2;
  if (zeros[1] > 0.5 * half && zeros[0] === 0) return ["", "text in UTF-16", utf8("UTF-16LE")] as const;
  if (zeros[0] > 0.5 * half && zeros[1] === 0) return ["", "text in UTF-16", utf8("UTF-16BE")] as const;
  if (Buffer.from(head.subarray(257, 262)).toString("latin1") === "ustar")
    return ["", "a tar archive", unpack] as const;
  return head.includes(0)
    ? (["", "no text but a binary file (it holds NUL bytes)", "wanted captions"] as const)
    : undefined;
}

/** Whether bytes, of which the last may be cut off, are UTF-8 without zeros. */
function isText(head: Uint8Array): boolean {
  try {
    return !new TextDecoder("utf-8", { fatal: true }).decode(head, { stream: true }).includes("\0");
  } catch {
    return false;
  }
}
