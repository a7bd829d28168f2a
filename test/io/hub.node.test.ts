import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { SidErrorCode } from "../../src/core";
import { encodeSafetensors, type HubOptions, hubFolder, openComponent, readComponent, readText } from "../../src/io";

let cacheDir = "";
beforeEach(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), "sid-hub-"));
  // The hub's package reports its downloads there.
  vi.spyOn(console, "debug").mockImplementation(() => {});
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(cacheDir, { recursive: true });
});

const error = (code: SidErrorCode, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });
const [old, now] = ["a".repeat(40), "b".repeat(40)];
const w = { dtype: "F16", shape: [2], data: Float32Array.of(0.5, -1) } as const;
const text = (value: string) => new TextEncoder().encode(value);
const files: Readonly<Record<string, Uint8Array>> = {
  "vae/config.json": text('{"sample_size": 4}'),
  "vae/diffusion_pytorch_model.fp16.safetensors": encodeSafetensors(new Map([["w", w]])),
};

/** What the package asks of the hub, answered from `files`: a commit for a branch, a file's hash, its bytes. */
function hub(change: (request: string) => Response | Promise<Response> | undefined = () => undefined) {
  const requests: string[] = [];
  const answer: typeof fetch = async (input, init = {}) => {
    const { pathname } = new URL(String(input));
    const headers = new Headers(init.headers);
    const request = `${init.method ?? "GET"} ${decodeURIComponent(pathname)}`;
    requests.push(`${request} ${headers.get("authorization") ?? ""}`.trim());
    const other = change(request);
    if (other) return other;
    if (request === "GET /api/models/owner/model/revision/main")
      return Response.json({ _id: "1", id: "owner/model", sha: now });
    const [, verb, commit, path = ""] = /^\S+ \/owner\/model\/(resolve|raw)\/([0-9a-f]{40})\/(.*)$/.exec(request) ?? [];
    const info = /^POST \/api\/models\/owner\/model\/paths-info\/([0-9a-f]{40})$/.exec(request)?.[1];
    if (info) {
      const { paths } = JSON.parse(String(init.body)) as { paths: string[] };
      return Response.json(
        paths
          .filter((name) => files[name])
          .map((name) => ({
            path: name,
            type: "file",
            oid: `hash-of-${name.replaceAll("/", "-")}`,
            size: files[name]?.length,
            lastCommit: { id: info, title: "", date: "2024-01-01" },
          })),
      );
    }
    const bytes = files[path];
    if (!verb || !commit || !bytes)
      return new Response(null, { status: 404, headers: { "x-error-code": "EntryNotFound" } });
    if (headers.get("range") === "bytes=0-0")
      return new Response(new Uint8Array(bytes.subarray(0, 1)), {
        status: 206,
        headers: { etag: '"1"', "content-range": `bytes 0-0/${bytes.length}` },
      });
    return new Response(new Uint8Array(bytes));
  };
  return { fetch: answer, requests };
}

const folder = (fetch: typeof globalThis.fetch, options: HubOptions = {}) =>
  hubFolder("owner/model", { cacheDir, fetch, ...options });
const offline: typeof fetch = () => Promise.reject(new TypeError("fetch failed"));

describe("a model of the hub", () => {
  test("is downloaded to the cache at one commit, and read from the disk", async () => {
    const { fetch, requests } = hub();
    const place = folder(fetch);
    const component = await readComponent(place, "vae", { variant: "fp16" });
    expect(component).toEqual({ config: { sample_size: 4 }, weights: new Map([["w", w]]) });
    // The branch was asked for once; everything else names its commit.
    expect(requests.filter((request) => request.includes("revision/main")).length).toBe(1);
    expect(requests.filter((request) => request.includes(now)).length).toBe(requests.length - 1);
    const cached = join(cacheDir, "models--owner--model", "snapshots", now, "vae");
    expect((await readdir(cached)).sort()).toEqual(["config.json", "diffusion_pytorch_model.fp16.safetensors"]);
    expect(await readFile(join(cached, "config.json"), "utf8")).toBe('{"sample_size": 4}');
    const count = requests.length;
    await (await place.open("vae/config.json"))?.close();
    expect(requests.length).toBe(count);
  });

  test("a branch that moves in between leaves all files at one commit", async () => {
    let sha = now;
    const { fetch, requests } = hub((request) =>
      request.includes("revision/main") ? Response.json({ _id: "1", id: "owner/model", sha }) : undefined,
    );
    const place = folder(fetch);
    await readText(place, "vae/config.json");
    sha = old;
    await readComponent(place, "vae", { variant: "fp16" });
    expect(requests.some((request) => request.includes(old))).toBe(false);
  });

  test("a commit in the cache needs no network, also for what it lacks", async () => {
    const place = folder(hub().fetch, { revision: old });
    const first = await readComponent(place, "vae", { variant: "fp16" });
    expect(await place.open("vae/other.json")).toBe(undefined);
    const again = folder(offline, { revision: old });
    expect(await readComponent(again, "vae", { variant: "fp16" })).toEqual(first);
    expect(await again.open("vae/other.json")).toBe(undefined);
    await expect(again.open("vae/another.json")).rejects.toEqual(error("io", /the hub cannot be reached/));
  });

  test("a part that it lacks is named", async () => {
    await expect(openComponent(folder(hub().fetch), "unet")).rejects.toEqual(
      error("io", /hubFolder "owner\/model" lacks the file "unet\/config.json"/),
    );
  });

  test("the token is sent", async () => {
    const { fetch, requests } = hub();
    await readText(folder(fetch, { accessToken: "hf_secret" }), "vae/config.json");
    expect(requests.every((request) => request.endsWith("Bearer hf_secret"))).toBe(true);
  });
});

describe("errors are said in words", () => {
  test("no network, and a second attempt after it", async () => {
    let up = false;
    const { fetch } = hub(() => (up ? undefined : offline("")));
    const place = folder(fetch);
    await expect(place.open("vae/config.json")).rejects.toEqual(
      error("io", /revision "main" cannot be looked up: the hub cannot be reached/),
    );
    up = true;
    expect(await readText(place, "vae/config.json")).toBe('{"sample_size": 4}');
  });

  test.each([
    [401, /needs an accessToken/],
    [403, /conditions were not accepted/],
    [404, /no such model or revision/],
    [429, /too many requests/],
    [500, /answered 500/],
  ])("status %i", async (status, message) => {
    const refusing = hub(() => Response.json({ error: "refused" }, { status }));
    await expect(folder(refusing.fetch).open("vae/config.json")).rejects.toEqual(error("io", message));
    const later = hub((request) =>
      request.includes("resolve") ? Response.json({ error: "refused" }, { status }) : undefined,
    );
    await expect(folder(later.fetch).open("vae/config.json")).rejects.toEqual(
      error("io", new RegExp(`"vae/config.json" cannot be downloaded.*${message.source}`)),
    );
  });

  test("a download that breaks leaves no file, and the next attempt has it whole", async () => {
    let broken = true;
    const { fetch } = hub((request) => {
      if (!broken || !request.includes("resolve") || !request.includes("model.fp16")) return undefined;
      const body = new ReadableStream({
        pull(controller) {
          controller.enqueue(text("half of it"));
          controller.error(new TypeError("terminated"));
        },
      });
      return new Response(body, { status: 206, headers: { etag: '"1"', "content-range": "bytes 0-0/100" } });
    });
    const place = folder(fetch);
    await expect(openComponent(place, "vae", { variant: "fp16" })).rejects.toEqual(error("io", /cannot be downloaded/));
    broken = false;
    expect((await readComponent(place, "vae", { variant: "fp16" })).weights.get("w")).toEqual(w);
  });

  test("a hub without commits", async () => {
    const { fetch } = hub((request) => (request.includes("revision") ? Response.json({ sha: "../.." }) : undefined));
    await expect(folder(fetch).open("vae/config.json")).rejects.toEqual(error("io", /no commit for "main"/));
  });

  test.each(["", "a/b/c", "../x", "a/..", "/a", "a b", "https://huggingface.co/a/b", 3, null])(
    "%j is no model",
    (model) => {
      expect(() => hubFolder(model as never)).toThrow(error("invalid-argument", /"owner\/name"/));
    },
  );

  test("options of another kind", () => {
    for (const options of [{ revision: "" }, { cacheDir: 3 }, { accessToken: "x" }, { hubUrl: "zz" }, { fetch: 3 }, 3])
      expect(() => hubFolder("owner/model", options as never)).toThrow(error("invalid-argument", /hubFolder/));
  });

  test("paths that leave the model", async () => {
    const { fetch, requests } = hub();
    await expect(folder(fetch).open("../x")).rejects.toEqual(error("invalid-argument", /relative path/));
    expect(requests).toEqual([]);
  });

  test("a package that is not installed", async () => {
    vi.doMock("@huggingface/hub", () => {
      throw new Error("Cannot find package");
    });
    await expect(folder(offline).open("vae/config.json")).rejects.toEqual(
      error("missing-package", /npm install @huggingface\/hub$/),
    );
    vi.doUnmock("@huggingface/hub");
  });
});
