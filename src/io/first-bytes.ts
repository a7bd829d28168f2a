/** As many bytes as {@link identify} looks at. */
export const headBytes = 512;

const again = "Was its download broken off? Fetch it again";
const convert =
  "a pickle, which may run any code when Python reads it. Convert it: " +
  'writeSafetensors("model.safetensors", await readPth(path)) of sid-lsg/io runs none of it, nor does ' +
  "npm run convert -- FILE model.safetensors; a whole Stable Diffusion in " +
  'diffusers: StableDiffusionPipeline.from_single_file(path).save_pretrained("folder")';
const unpack = "unpack it first";

/** What a file is that begins with these bytes, and what to do where that is not to take the right one. */
const signatures: readonly (readonly [bytes: string, what: string, remedy?: string])[] = [
  ["PK\x03\x04", "a zip archive, as PyTorch's .ckpt, .pt and .bin are", convert],
  ["\x1f\x8b", "compressed with gzip", unpack],
  ["\x28\xb5\x2f\xfd", "compressed with zstd", unpack],
  ["\xfd7zXZ", "compressed with xz", unpack],
  ["BZh", "compressed with bzip2", unpack],
  ["7z\xbc\xaf\x27\x1c", "a 7z archive", unpack],
  ["Rar!", "a rar archive", unpack],
  ["GGUF", "a GGUF file, weights for llama.cpp and its kin"],
  ["\x89HDF\r\n", "an HDF5 file, weights for Keras"],
  ["\x93NUMPY", "an array of NumPy"],
  ["\x89PNG", "a picture"],
  ["\xff\xd8\xff", "a picture"],
];

/** The same for texts. */
const texts: readonly (readonly [begins: RegExp, what: string])[] = [
  [
    /^version https:\/\/git-lfs\.github\.com\//,
    'a Git-LFS pointer, not the file itself: fetch that with "git lfs install" and "git lfs pull"',
  ],
  [/^\/?annex\/objects\//, 'a git-annex pointer, not the file itself: fetch that with "git annex get"'],
  [
    /^<(!doctype html|html|head|body|!--)/i,
    "an HTML page, as a site shows for a login, an error or a preview: download the file itself, from the Hugging Face " +
      "Hub by an address with /resolve/ in place of /blob/, and with a token where the model asks for one",
  ],
  [/^<\?xml|^<error>/i, "an XML text, as a server sends for an error: download the file again"],
];

/**
 * What a file is that was taken for another, from its first bytes: for errors only, which a file of the wanted kind never
 * meets.
 *
 * @param head - up to {@link headBytes} bytes.
 * @param size - how many the file has.
 * @param wanted - what the file should have been.
 * @returns the end of a sentence that begins with "the file is"; undefined where nothing is known.
 */
export function identify(
  head: Uint8Array,
  size: number,
  wanted: "safetensors" | "text" | "pth" | "npz" | "npy",
): string | undefined {
  if (size === 0) return `empty. ${again}`;
  if (isHeader(head) && wanted !== "text")
    return wanted !== "safetensors" ? "a safetensors file: read it as one" : undefined;
  if (head.length >= 8 && head.every((byte) => byte === 0)) return `of zeros, at least where it begins. ${again}`;
  const binary = String.fromCharCode(...head);
  const known = signatures.find(([bytes]) => binary.startsWith(bytes));
  const right = wanted === "text" || wanted === "safetensors" ? "the model's .safetensors" : `a .${wanted} file`;
  if (known) return `${known[1]}: ${known[2] ?? `take ${right} in its place`}`;
  const [first, protocol = 0] = head;
  if (first === 0x80 && protocol >= 2 && protocol <= 5) return convert;
  if (binary.slice(257, 262) === "ustar") return `a tar archive: ${unpack}`;
  const text = textOf(head, size)?.trimStart();
  if (text === undefined || text === "") return undefined;
  const kind = texts.find(([begins]) => begins.test(text));
  if (kind) return kind[1];
  const start = JSON.stringify(text.slice(0, 40).trimEnd());
  if (/^[{[]/.test(text))
    return wanted === "text"
      ? undefined
      : `JSON, ${start}, as a server's error or the index of a file in shards is: take the .${wanted} file itself`;
  return wanted === "text" ? undefined : `a text that begins with ${start}: take the .${wanted} file itself`;
}

/** Whether these bytes begin a safetensors file, whole or damaged: a length below 4 GiB, then an object. */
function isHeader(head: Uint8Array): boolean {
  return head[8] === 0x7b && head.subarray(4, 8).every((byte) => byte === 0);
}

/** The bytes as text without its byte order mark; undefined where they are none. */
function textOf(head: Uint8Array, size: number): string | undefined {
  try {
    // A character may be cut at the end of what was read.
    const text = new TextDecoder("utf-8", { fatal: true }).decode(head, { stream: head.length < size });
    return /[^\P{Cc}\s]/u.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}
