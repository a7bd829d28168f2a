import { checkFunction, checkInteger, checkObject, describe } from "../core/checks";
import { SidError } from "../core/errors";
import { allocate, type ByteSource, checkSpan, messageOf } from "./byte-source";

/** Options of {@link urlSource} and {@link urlFolder}. */
export interface UrlOptions {
  /** Sent with every request, such as `Authorization`. @defaultValue none */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** How often a request is repeated that met a busy server or a broken connection. @defaultValue `2` */
  readonly retries?: number | undefined;
  /** Does the requests; the place to add an `AbortSignal`. @defaultValue the platform's `fetch` */
  readonly fetch?: typeof fetch | undefined;
}

/** Bytes of the first request: a small file whole, or the header of most safetensors files. */
const firstBytes = 2 ** 16;

/** A server that knows no ranges may still give files of this many bytes. */
const mostWholeBytes = 2 ** 24;

/** Answers after which a later attempt may succeed. */
const transientStatuses = [408, 425, 429, 500, 502, 503, 504];

/** What a request brought: these bytes of a file of `size` bytes, in this version. */
interface Part {
  readonly bytes: Uint8Array;
  readonly size: number;
  readonly version: string | null;
}

/** How one address is asked. */
type Request = Filled & { readonly where: string; readonly url: URL };

/**
 * A file behind an address, read by offset with HTTP range requests; in Node and browsers.
 *
 * The file must stay the same while it is read: another length or `ETag` is an error. So is a server that ignores
 * ranges, except for files of at most 16 MiB, which it may send whole. In a browser, a server of another origin
 * must allow that `Content-Range` and `ETag` are read (`Access-Control-Expose-Headers`).
 *
 * @param url - `http:` or `https:`; in a browser it may be relative to the page.
 * @param options - headers, retries.
 * @returns the file, whose first bytes were read.
 * @throws SidError `io` where the server cannot be reached or refuses, `unsupported` where it ignores ranges,
 *   `invalid-argument` for what is no such address.
 *
 * @example
 * ```ts no-run
 * import { openSafetensors, urlSource } from "sid-lsg/io";
 *
 * const file = await openSafetensors(await urlSource("https://example.org/model.safetensors"));
 * console.log(file.entries.size);
 * ```
 */
export async function urlSource(url: string | URL, options: UrlOptions = {}): Promise<ByteSource> {
  const parsed = checkUrl("urlSource", url);
  const found = await openUrl("urlSource", parsed, checkUrlOptions("urlSource", options));
  if (!found) throw new SidError("io", `urlSource ${nameOf(parsed)}: the server has no such file.`);
  return found;
}

/** An absolute address; throws for one that `fetch` knows no ranges of. */
export function checkUrl(where: string, url: string | URL): URL {
  let parsed: URL | undefined;
  try {
    if (typeof url === "string" || url instanceof URL) parsed = new URL(url, globalThis.location?.href);
  } catch {}
  if (parsed?.protocol !== "http:" && parsed?.protocol !== "https:")
    throw new SidError("invalid-argument", `${where}: wanted an http or https address, got ${describe(url)}.`);
  return parsed;
}

/** {@link UrlOptions} with their defaults. */
type Filled = { readonly [K in keyof UrlOptions]-?: NonNullable<UrlOptions[K]> };

/** The options with their defaults. */
export function checkUrlOptions(where: string, options: UrlOptions): Filled {
  const {
    headers = {},
    retries = 2,
    fetch = globalThis.fetch,
  } = checkObject(where, "options", options, { headers: 1, retries: 1, fetch: 1 });
  checkObject(where, "headers", headers);
  checkInteger(where, "retries", retries, 0, 10);
  checkFunction(where, "fetch", fetch);
  return { headers, retries, fetch };
}

/** {@link urlSource} on behalf of the function that messages name; undefined where the server has no such file. */
export async function openUrl(caller: string, url: URL, options: Filled): Promise<ByteSource | undefined> {
  const where = `${caller} ${nameOf(url)}`;
  const request = { ...options, where, url };
  const first = await patiently(options.retries, () => ask(request, 0, firstBytes));
  if (!first) return undefined;
  const { bytes: head, size, version } = first;
  return {
    name: nameOf(url),
    size,
    async read(begin, end) {
      checkSpan(where, size, begin, end);
      if (begin === end || end <= head.length) return head.slice(begin, end);
      const part = await patiently(options.retries, () => ask(request, begin, end));
      if (!part) throw new SidError("io", `${where}: the file was removed while it was read.`);
      const changed = version !== null && part.version !== null && version !== part.version;
      if (part.size !== size || changed)
        throw new SidError(
          "io",
          `${where}: the file changed while it was read, from ${size} bytes (ETag ${version}) to ${part.size} (ETag ${part.version}).`,
        );
      if (part.bytes.length !== end - begin)
        throw new SidError("io", `${where}: wanted ${end - begin} bytes, got ${part.bytes.length}.`);
      return part.bytes;
    },
    async close() {},
  };
}

/** One request. What another attempt may mend is returned as an error, everything else thrown. */
async function ask(request: Request, begin: number, end: number): Promise<Part | SidError | undefined> {
  const { where, url, headers, fetch } = request;
  let response: Response;
  try {
    response = await fetch(url, { headers: { ...headers, Range: `bytes=${begin}-${end - 1}` } });
  } catch (cause) {
    return new SidError("io", `${where}: the server cannot be reached: ${messageOf(cause)}.`, { cause });
  }
  if (!(response instanceof Response))
    throw new SidError("invalid-argument", `${where}: fetch must give a Response, got ${describe(response)}.`);
  if (response.status === 200 || response.status === 206) return receive(where, response, begin, end);
  await response.body?.cancel().catch(() => {});
  const { status } = response;
  if (status === 404 || status === 410) return undefined;
  const version = response.headers.get("etag");
  // Of an empty file there is no first byte to send.
  if (status === 416 && response.headers.get("content-range") === "bytes */0")
    return { bytes: new Uint8Array(0), size: 0, version };
  const error = new SidError("io", `${where}: the server answered ${status} ${response.statusText}.`);
  if (transientStatuses.includes(status)) return error;
  throw error;
}

/** The body of an answer, checked against what was asked for. */
async function receive(where: string, response: Response, begin: number, end: number): Promise<Part | SidError> {
  const refuse = async (code: "io" | "unsupported", message: string): Promise<never> => {
    await response.body?.cancel().catch(() => {});
    throw new SidError(code, `${where}: ${message}.`);
  };
  const version = response.headers.get("etag");
  if (response.status === 200) {
    const announced = Number(response.headers.get("content-length") ?? 0);
    const bytes = announced > mostWholeBytes ? undefined : await readBody(where, response, mostWholeBytes);
    if (bytes instanceof SidError) return bytes;
    if (!bytes || begin > 0)
      return refuse("unsupported", "the server ignores the Range header; large files need one that serves ranges");
    return { bytes, size: bytes.length, version };
  }
  const range = response.headers.get("content-range");
  const numbers = /^bytes (\d+)-(\d+)\/(\d+)$/
    .exec(range ?? "")
    ?.slice(1)
    .map(Number);
  const [first, last, size] = numbers ?? [];
  if (first !== begin || size === undefined || last !== Math.min(end, size) - 1 || !Number.isSafeInteger(size))
    return refuse(
      "io",
      `wanted the bytes ${begin}-${end - 1}, the server sent ${range === null ? "a part without a readable Content-Range (another origin must expose it)" : `the Content-Range ${describe(range)}`}`,
    );
  const bytes = await readBody(where, response, last + 1 - begin);
  if (bytes instanceof SidError) return bytes;
  if (bytes?.length !== last + 1 - begin)
    return new SidError("io", `${where}: wanted ${last + 1 - begin} bytes of body, got ${bytes?.length ?? "more"}.`);
  return { bytes, size, version };
}

/** A body of at most `most` bytes, in memory that grows as they arrive; undefined where there are more. */
async function readBody(where: string, response: Response, most: number): Promise<Uint8Array | SidError | undefined> {
  let bytes = allocate(where, Math.min(most, 2 ** 20));
  let at = 0;
  try {
    const reader = response.body?.getReader();
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
      if (done) return at === bytes.length ? bytes : bytes.slice(0, at);
      if (at + value.length > most) {
        await reader?.cancel();
        return undefined;
      }
      if (at + value.length > bytes.length) {
        const larger = allocate(where, Math.min(most, Math.max(2 * bytes.length, at + value.length)));
        larger.set(bytes.subarray(0, at));
        bytes = larger;
      }
      bytes.set(value, at);
      at += value.length;
    }
  } catch (cause) {
    if (cause instanceof SidError) throw cause;
    return new SidError("io", `${where}: the connection broke after ${at} bytes: ${messageOf(cause)}.`, { cause });
  }
}

/** Repeats what returns an error, after 1/4 s, 1/2 s and so on; the last error is thrown. */
async function patiently<T>(retries: number, once: () => Promise<T | SidError>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    const answer = await once();
    if (!(answer instanceof SidError)) return answer;
    if (attempt >= retries) throw answer;
    await new Promise((resolve) => setTimeout(resolve, 250 * 2 ** attempt));
  }
}

/** The address for messages, without its query, which may hold a secret. */
function nameOf({ origin, pathname }: URL): string {
  return JSON.stringify(origin + pathname);
}
