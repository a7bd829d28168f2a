import "@tensorflow/tfjs-backend-cpu";
import type { Tensor } from "@tensorflow/tfjs-core";
import { randomStream, SidError } from "sid-lsg";
import { encodeSafetensors, handleFolder, type WritableFolder } from "sid-lsg/io";
import type { DistillMetrics } from "sid-lsg/train";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Report } from "../../../../examples/browser/training/protocol";
import { newRecord, type RunRecord } from "../../../../examples/browser/training/record";
import { readRun, writeRecord } from "../../../../examples/browser/training/stored-run";
import { makeTrainer } from "../../../../examples/browser/training/trainer";
import { emoji } from "../../../../examples/quickstart/emoji";
import type { DistillationInputs } from "../../../../examples/text-to-image/distillation";
import type { Method } from "../../../../examples/text-to-image/methods";
import type { RealPictures } from "../../../../examples/text-to-image/world";
import { type FakeDirectory, type FakeOptions, fakeDirectory } from "../../../support/directory-handle";

/** What stands for the training: it writes checkpoints and tells of iterations, without networks. */
const fake = vi.hoisted(() => ({
  distill: undefined as ((inputs: DistillationInputs) => Promise<void>) | undefined,
  backends: [] as string[],
}));

vi.mock("../../../../examples/text-to-image/distillation", () => ({
  guidances: { lsg: (kappa: number) => ({ generator: 1, fakeScore: kappa }) },
  distillTeacher: async (inputs: DistillationInputs) => {
    await fake.distill?.(inputs);
    return { dispose() {} };
  },
}));
vi.mock("sid-lsg/backends", () => ({
  useBackend: async (backend: string) => {
    fake.backends.push(backend);
    return backend === "auto" ? "cpu" : backend;
  },
}));
vi.mock("sid-lsg", async (original) => ({ ...(await original<object>()), sidLsg: () => ({}) }));
vi.mock("../../../../examples/text-to-image/model-folder", () => ({
  readFolder: async () => ({ pictures: {} }),
  makeUnet: () => ({ dispose() {} }),
  makeText: () => ({ dispose() {} }),
}));
vi.mock("../../../../examples/text-to-image/classifier", () => ({
  judgeConfig: () => ({}),
  createClassifier: () => ({ dispose() {} }),
}));
vi.mock("../../../../examples/quickstart/pictures", async (original) => ({
  ...(await original<object>()),
  stampsOf: () => new Map(),
  drawPictures: () => undefined,
}));
vi.mock("../../../../examples/text-to-image/methods", () => ({
  teacherMethods: () => ({ teacher50Guided: {}, teacher1: { draw: () => undefined } }),
}));
vi.mock("../../../../examples/text-to-image/measure", () => {
  const row = { frechetDistance: { value: 400 }, allRight: { value: 0.5 } };
  const measure = async (_: unknown, __: unknown, { draw }: Method) => {
    draw([], {} as Tensor);
    return row;
  };
  const prepareGroup = async (_: unknown, { real }: { readonly real: RealPictures }) => real.draw([], randomStream(0));
  return { prepareGroup, measureReal: async () => row, measure };
});
vi.mock("../../../../examples/text-to-image/samples", () => ({
  drawEach: async (_: unknown, __: unknown, captions: readonly string[]) =>
    captions.map(() => ({ width: 24, height: 24, data: new Uint8Array(3 * 24 * 24) })),
}));

const settings = { iterations: 9, seed: 0, captions: 100, saveEvery: 2, lookEvery: 3 };
const file = "checkpoint.safetensors";
const head = (iteration: number) => encodeSafetensors(new Map(), { progress: JSON.stringify({ iteration }) });

/** As `distill` does: written under another name, then renamed. */
async function saveAt(iteration: number, { folder }: DistillationInputs): Promise<void> {
  const place = folder as WritableFolder;
  await place.write(`${file}.next`, [head(iteration)]);
  await place.rename(`${file}.next`, file);
}
const metrics = (iteration: number) => ({ iteration, fakeLoss: 1 }) as DistillMetrics;

beforeEach(() => {
  fake.backends.length = 0;
  const empty = encodeSafetensors(new Map());
  vi.stubGlobal("fetch", async () => new Response(empty as Uint8Array<ArrayBuffer>));
});

/** A worker on a browser's storage, which may hold something already. */
async function start(directory: FakeDirectory) {
  vi.stubGlobal("isSecureContext", true);
  vi.stubGlobal("crossOriginIsolated", true);
  const root = { getDirectoryHandle: async () => directory };
  vi.stubGlobal("navigator", { storage: { getDirectory: async () => root } });
  const reports: Report[] = [];
  const order = makeTrainer({ report: (report) => void reports.push(report), takeRun: async () => {} });
  await order({ kind: "open", files: "http://host/emoji/", wasm: "http://host/wasm/" });
  const all = <K extends Report["kind"]>(kind: K) =>
    reports.filter((report): report is Extract<Report, { kind: K }> => report.kind === kind);
  const train = (resume = false, backend: "auto" | "wasm" = "auto") =>
    order({ kind: "train", settings, backend, resume });
  return { order, all, train, opened: all("opened")[0] };
}

/** A browser's storage with a run in it. */
async function withRun(record: Partial<RunRecord>, checkpoint: number, options?: FakeOptions) {
  const directory = fakeDirectory(options);
  const folder = handleFolder(directory);
  await folder.write(file, [head(checkpoint)]);
  await writeRecord(folder, { ...newRecord(settings, "wasm", 90), ...record });
  return { directory, folder };
}

describe("a run", () => {
  it("that is paused after its last iteration was handed over is recorded with what was saved then", async () => {
    const directory = fakeDirectory();
    const { order, train, all } = await start(directory);
    fake.distill = async (inputs) => {
      await inputs.onMetrics(metrics(1));
      await order({ kind: "pause" });
      await saveAt(1, inputs);
    };
    await train();
    expect(all("saved")).toEqual([{ kind: "saved", iteration: 1, stored: true }]);
    expect(all("stopped")).toEqual([{ kind: "stopped", iteration: 1, finished: false }]);
    expect(await readRun(handleFolder(directory))).toMatchObject({ saved: 1, entries: [{ iteration: 1 }] });
  });

  it("that is killed before its record follows the checkpoint goes on from the checkpoint", async () => {
    const directory = fakeDirectory();
    const { train } = await start(directory);
    fake.distill = async (inputs) => {
      await saveAt(1, inputs);
      throw new Error("killed");
    };
    await expect(train()).rejects.toThrow("killed");
    expect((await start(directory)).opened).toMatchObject({ record: { saved: 1, settings } });
  });

  it("that goes on from an older checkpoint says so with its first iteration", async () => {
    const { directory } = await withRun({ saved: 4 }, 4);
    const { train, all } = await start(directory);
    fake.distill = async ({ onMetrics }) => onMetrics(metrics(3));
    await train(true);
    expect(all("saved")).toEqual([{ kind: "saved", iteration: 2, stored: true }]);
  });

  it("that is paused while it begins does not begin, and keeps what is stored", async () => {
    const { directory, folder } = await withRun({ saved: 4 }, 4);
    const { order, train, all } = await start(directory);
    fake.distill = async () => expect.unreachable();
    const training = train(true);
    await order({ kind: "pause" });
    await training;
    expect(all("stopped")).toEqual([{ kind: "stopped", iteration: 4, finished: false }]);
    expect(await readRun(folder)).toMatchObject({ saved: 4 });
  });

  it("goes on with its own backend unless another one is asked for", async () => {
    const { directory } = await withRun({ saved: 4, backend: "webgl" }, 4);
    const { train } = await start(directory);
    fake.distill = async () => {
      throw new SidError("aborted", "at once");
    };
    await train(true);
    await train(true, "wasm");
    expect(fake.backends).toEqual(["webgl", "wasm"]);
  });
});

it("gives a sign of life with each batch of pictures and each network's gradients", async () => {
  const { train, all } = await start(fakeDirectory());
  fake.distill = async ({ onGradients }) =>
    void (await onGradients?.({ network: "generator", iteration: 1, gradients: [] }));
  await train();
  expect(all("alive")).toHaveLength(3);
});

describe("what is stored", () => {
  it("is told apart: no run, one that cannot be read, one of another version", async () => {
    const { directory, folder } = await withRun({}, 2);
    expect((await start(fakeDirectory())).opened).toMatchObject({ record: undefined, fault: undefined });
    await folder.write("record.json", [new TextEncoder().encode("{")]);
    expect((await start(directory)).opened).toMatchObject({ record: undefined, fault: "damaged" });
    await folder.write("record.json", [new TextEncoder().encode('{ "version": 2 }')]);
    expect((await start(directory)).opened).toMatchObject({ record: undefined, fault: "of another version" });
    await folder.remove("record.json");
    expect((await start(directory)).opened).toMatchObject({ record: undefined, fault: "damaged" });
  });

  it("is gone when it was deleted, or a new run began, also after there was no room", async () => {
    for (const again of [false, true]) {
      const room = { left: 1e6 };
      const directory = fakeDirectory({ room: () => room.left });
      const { order, train, all } = await start(directory);
      fake.distill = async (inputs) => {
        for (const iteration of [1, 2]) {
          await saveAt(iteration, inputs);
          await inputs.onMetrics(metrics(iteration));
          room.left = 0;
        }
      };
      await train();
      expect(all("saved").map(({ iteration, stored }) => [iteration, stored])).toEqual([
        [1, true],
        [2, false],
      ]);
      expect(directory.files.has(file)).toBe(true);
      fake.distill = async () => expect([...directory.files.keys()]).toEqual([]);
      await (again ? train() : order({ kind: "delete" }));
      expect([...directory.files.keys()]).toEqual([]);
    }
  });

  it("is shown and handed over as of the last look at the generator", async () => {
    const { directory, folder } = await withRun({ saved: 5, looks: [{ iteration: 3, distance: 1, right: 1 }] }, 5);
    await folder.write("generator.safetensors", [new Uint8Array(8)]);
    await folder.write("pictures.bin", [new Uint8Array(3 * emoji.prompts.length * 4 * 24 * 24)]);
    const { order, all } = await start(directory);
    expect(all("pictures").map(({ iteration }) => iteration)).toEqual([3, 3, 3]);
    await order({ kind: "download" });
    expect(all("generator")[0]?.iteration).toBe(3);
  });

  it("is seen where the storage is full", async () => {
    const room = { left: 1e6 };
    const { directory } = await withRun({ saved: 4 }, 4, { room: () => room.left });
    room.left = 0;
    const { opened, all } = await start(directory);
    expect(opened).toMatchObject({ record: { saved: 4 }, unstored: undefined });
    expect(all("warning")[0]?.message).toMatch(/takes nothing now: .*quota/);
  });
});
