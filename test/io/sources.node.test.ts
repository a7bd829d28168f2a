import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fc, test } from "@fast-check/vitest";
import { afterAll, afterEach, beforeAll, describe, expect, vi } from "vitest";
import { SidError, type SidErrorCode } from "../../src/core";
import {
  type ByteSource,
  blobSource,
  decodeSafetensors,
  encodeSafetensors,
  fileSource,
  openSafetensors,
  type UrlOptions,
  urlSource,
} from "../../src/io";
import { type FileServer, serveFiles, type Trick } from "../support/file-server";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sid-sources-"));
});
afterAll(() => rm(folder, { recursive: true }));

let server: FileServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

/** Larger than the first request of an address, so that its parts are asked for one by one. */
const bytes = Uint8Array.from({ length: 200_000 }, (_, i) => (i * 2654435761) >>> 13);
const error = (code: SidErrorCode, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

async function served(trick?: Trick, options: UrlOptions = {}, content = bytes): Promise<ByteSource> {
  server = await serveFiles(new Map([["a file.bin", content]]), trick);
  return urlSource(`${server.url}/a%20file.bin?secret=1`, { retries: 1, ...options });
}

const sources: Readonly<Record<string, () => Promise<ByteSource>>> = {
  file: async () => {
    await writeFile(join(folder, "bytes"), bytes);
    return fileSource(join(folder, "bytes"));
  },
  blob: async () => blobSource(new Blob([bytes])),
  url: () => served(),
};

describe.each(Object.entries(sources))("a %s", (_, open) => {
  test("gives any span of its bytes, in memory of the caller's, and no other", async () => {
    const source = await open();
    expect(source.size).toBe(bytes.length);
    const at = fc.integer({ min: 0, max: bytes.length });
    await fc.assert(
      fc.asyncProperty(at, at, async (a, b) => {
        const [begin, end] = [Math.min(a, b), Math.max(a, b)];
        const got = await source.read(begin, end);
        expect(Buffer.from(got).equals(bytes.subarray(begin, end))).toBe(true);
        got.fill(0);
      }),
      { numRuns: 30 },
    );
    for (const [begin, end] of [
      [-1, 1],
      [2, 1],
      [0, bytes.length + 1],
      [0.5, 2],
      [0, Number.NaN],
    ] as const)
      await expect(source.read(begin, end)).rejects.toBeInstanceOf(SidError);
    await source.close();
  });
});

describe("a safetensors file is read tensor by tensor", () => {
  const weights = new Map([
    ["half", { dtype: "F16", shape: [2, 2], data: Float32Array.of(0.5, -1, 65504, 2 ** -24) } as const],
    ["large", { dtype: "F32", shape: [30_000], data: Float32Array.from({ length: 30_000 }, (_, i) => i) } as const],
    ["count", { dtype: "I64", shape: [1], data: BigInt64Array.of(7n) } as const],
  ]);
  const encoded = new Uint8Array(encodeSafetensors(weights, { format: "pt" }));

  test("over an address: the header first, then only the bytes asked for", async () => {
    const file = await openSafetensors(await served(undefined, {}, encoded));
    expect(file.metadata).toEqual({ format: "pt" });
    expect([...file.entries.keys()]).toEqual(["count", "large", "half"]);
    expect(await file.read("half")).toEqual(weights.get("half"));
    expect(await file.read("large")).toEqual(weights.get("large"));
    expect(server?.requests.length).toBe(3);
    await expect(file.read("other")).rejects.toEqual(error("invalid-argument", /"other"/));
    await file.close();
  });

  test.prop({ length: fc.integer({ min: 0, max: encoded.length - 1 }) }, { numRuns: 50 })(
    "a truncated one is refused before any tensor",
    async ({ length }) => {
      const source = blobSource(new Blob([encoded.subarray(0, length)]));
      await expect(openSafetensors(source)).rejects.toEqual(error("corrupt-file", /./));
    },
  );

  test("a source that gives other bytes than it was asked for", async () => {
    const cut = { name: "cut", size: encoded.length, read: async () => new Uint8Array(3), close: async () => {} };
    await expect(openSafetensors(cut)).rejects.toEqual(error("io", /wanted 8 bytes, the source gave 3/));
    // A view into a larger buffer is as good as a buffer.
    const view = { ...cut, read: async (begin: number, end: number) => encoded.subarray(begin, end) };
    expect((await (await openSafetensors(view)).read("large")).data).toEqual(
      decodeSafetensors(encoded).tensors.get("large")?.data,
    );
  });
});

describe("files that are none", () => {
  test("a folder, a pipe and a device are io errors, at once", async () => {
    await expect(fileSource(folder)).rejects.toEqual(error("io", /wanted a file/));
    if (process.platform === "win32") return;
    execFileSync("mkfifo", [join(folder, "pipe")]);
    await expect(fileSource(join(folder, "pipe"))).rejects.toEqual(error("io", /wanted a file/));
    await expect(fileSource("/dev/zero")).rejects.toEqual(error("io", /wanted a file/));
  });

  test("a file that shrinks while it is read", async () => {
    const path = join(folder, "shrinks");
    await writeFile(path, bytes);
    const source = await fileSource(path);
    await writeFile(path, bytes.subarray(0, 100));
    await expect(source.read(50, 150)).rejects.toEqual(error("corrupt-file", /ended at byte 100/));
    await source.close();
    await expect(source.read(0, 1)).rejects.toEqual(error("io", /./));
  });

  test("a blob that cannot be read", async () => {
    const blob = new Blob([bytes]);
    blob.slice = () => ({ arrayBuffer: () => Promise.reject(new Error("gone")) }) as never;
    await expect(blobSource(blob, "weights").read(0, 5)).rejects.toEqual(error("io", /"weights": gone/));
  });
});

describe("servers", () => {
  test("a small file comes with one request, even from a server that knows no ranges", async () => {
    const small = await served(undefined, {}, bytes.subarray(0, 100));
    expect(await small.read(10, 20)).toEqual(bytes.slice(10, 20));
    expect(server?.requests).toEqual(["/a%20file.bin?secret=1 bytes=0-65535"]);
    await server?.close();
    const whole = await served((_, response) => Boolean(response.writeHead(200).end(bytes)));
    expect(await whole.read(199_000, 200_000)).toEqual(bytes.slice(199_000));
    expect(server?.requests.length).toBe(1);
  });

  test("an empty file has no bytes", async () => {
    expect((await served(undefined, {}, new Uint8Array(0))).size).toBe(0);
  });

  test("headers are sent, also to a folder's files", async () => {
    const seen: unknown[] = [];
    const headers = { authorization: "Bearer x" };
    const source = await served(
      (request) => {
        seen.push(request.headers.authorization);
        return false;
      },
      { headers },
    );
    await source.read(100_000, 100_001);
    expect(seen).toEqual(["Bearer x", "Bearer x"]);
  });

  test("a busy server and a broken connection are asked again", async () => {
    const busy = await served((_, response, count) => count === 1 && Boolean(response.writeHead(503).end()));
    expect(busy.size).toBe(bytes.length);
    await server?.close();
    const broken = await served((_, response, count) => {
      if (count !== 2) return false;
      response.writeHead(206, { "content-range": "bytes 70000-89999/200000", "content-length": 20_000 });
      response.write(bytes.subarray(70_000, 80_000), () => response.destroy());
      return true;
    });
    expect(await broken.read(70_000, 90_000)).toEqual(bytes.slice(70_000, 90_000));
    expect(server?.requests.length).toBe(3);
  });

  const answer =
    (status: number, headers: Record<string, string> = {}, body: Uint8Array = bytes): Trick =>
    (_, response) =>
      Boolean(response.writeHead(status, headers).end(body));
  test.each<[string, Trick, SidErrorCode, RegExp, number]>([
    ["no such file", answer(404), "io", /127.*no such file/, 1],
    ["no access", answer(403), "io", /answered 403/, 1],
    ["always busy", answer(503), "io", /answered 503/, 2],
    [
      "a part of unknown size",
      answer(206, { "content-range": "bytes 0-65535/*" }),
      "io",
      /wanted the bytes 0-65535/,
      1,
    ],
    ["a part that does not say which", answer(206), "io", /without a readable Content-Range/, 1],
    [
      "a part that begins later",
      answer(206, { "content-range": "bytes 1-65535/200000" }, bytes.subarray(1, 65_536)),
      "io",
      /"bytes 1-65535\/200000"/,
      1,
    ],
    ["another part", answer(206, { "content-range": "bytes 1-65536/200000" }), "io", /"bytes 1-65536\/200000"/, 1],
    [
      "a size beyond counting",
      answer(206, { "content-range": "bytes 0-65535/99999999999999999999" }),
      "io",
      /99999/,
      1,
    ],
    ["more bytes than the part", answer(206, { "content-range": "bytes 0-65535/200000" }), "io", /65536.*got more/, 2],
    [
      "fewer bytes than the part",
      answer(206, { "content-range": "bytes 0-65535/200000" }, bytes.subarray(0, 9)),
      "io",
      /got 9/,
      2,
    ],
    [
      "ranges ignored for a large file",
      answer(200, {}, new Uint8Array(2 ** 24 + 1)),
      "unsupported",
      /ignores the Range/,
      1,
    ],
  ])("%s", async (_, trick, code, message, requests) => {
    const failure = served(trick);
    await expect(failure).rejects.toEqual(error(code, message));
    await expect(failure).rejects.not.toThrow("secret");
    expect(server?.requests.length).toBe(requests);
  });

  test.each<[string, Record<string, string>, number]>([
    ["announced", { "content-length": String(2 ** 40) }, 2 ** 24],
    ["of a length not told", {}, 2 ** 25],
  ])("a large file %s by a server without ranges is not loaded, its connection closed", async (_, headers, most) => {
    let sent = 0;
    let answer: { readonly destroyed: boolean } | undefined;
    const flood: Trick = (_, response) => {
      answer = response;
      response.writeHead(200, headers);
      const more = () => {
        if (response.destroyed) return;
        sent += 2 ** 16;
        response.write(new Uint8Array(2 ** 16), more);
      };
      more();
      return true;
    };
    await expect(served(flood)).rejects.toEqual(error("unsupported", /ignores the Range/));
    expect(sent).toBeLessThan(most);
    await vi.waitFor(() => expect(answer?.destroyed).toBe(true), 5000);
  });

  test("a size that is a lie allocates nothing", async () => {
    const size = 2 ** 50;
    const source = await served((request, response) => {
      const first = request.headers.range === "bytes=0-65535";
      const range = first ? `bytes 0-65535/${size}` : `bytes 65536-${size - 1}/${size}`;
      return Boolean(response.writeHead(206, { "content-range": range }).end(bytes.subarray(0, 65_536)));
    });
    const before = process.memoryUsage().arrayBuffers;
    await expect(source.read(65_536, size)).rejects.toEqual(error("io", /got 65536/));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 24);
  });

  const later =
    (headers: Record<string, string>, status = 206): Trick =>
    (_, response, count) =>
      count > 1 && Boolean(response.writeHead(status, headers).end(bytes.subarray(0, 10)));
  test.each<[string, Trick, RegExp]>([
    ["grew", later({ "content-range": "bytes 100000-100009/200001" }), /from 200000 bytes .* to 200001/],
    ["is another", later({ etag: '"2"', "content-range": "bytes 100000-100009/200000" }), /ETag "1".*ETag "2"/],
    ["went away", later({}, 404), /removed/],
  ])("a file that %s while it is read", async (_, trick, message) => {
    const source = await served(trick);
    await expect(source.read(100_000, 100_010)).rejects.toEqual(error("io", message));
  });

  test("a server that forgets its ranges", async () => {
    const source = await served(later({}, 200));
    await expect(source.read(100_000, 100_010)).rejects.toEqual(error("unsupported", /ignores the Range/));
  });

  test("nobody there", async () => {
    const source = await served();
    await server?.close();
    await expect(source.read(100_000, 100_010)).rejects.toEqual(error("io", /cannot be reached/));
  });

  test.each(["", "zz", "file:///etc/passwd", "data:,x", 3, null])("%j is no address", async (url) => {
    await expect(urlSource(url as never)).rejects.toEqual(error("invalid-argument", /http/));
  });
});
