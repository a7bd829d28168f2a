/** Trains the quick start as `npm start` does, and reports; knows nothing of workers and pages. */
import { memory } from "@tensorflow/tfjs-core";
import { randomStream, SidError, sidLsg } from "sid-lsg";
import { type BackendName, useBackend } from "sid-lsg/backends";
import { decodeSafetensors, encodeSafetensors, urlFolder, type WritableFolder } from "sid-lsg/io";
import { type GeneratorModel, readWeights, type Unet } from "sid-lsg/models";
import { emoji } from "../../quickstart/emoji";
import { drawPictures, stampsOf } from "../../quickstart/pictures";
import type { Canvas } from "../../text-to-image/canvas";
import { type Classifier, createClassifier, judgeConfig } from "../../text-to-image/classifier";
import { distillTeacher, guidances } from "../../text-to-image/distillation";
import { measure, measureReal, prepareGroup } from "../../text-to-image/measure";
import { type Draw, generatorMethod, type Method, teacherMethods } from "../../text-to-image/methods";
import { type ModelFolder, makeText, makeUnet, readFolder, type Text } from "../../text-to-image/model-folder";
import { sampleShape } from "../../text-to-image/picture-format";
import { drawEach } from "../../text-to-image/samples";
import type { RealPictures } from "../../text-to-image/world";
import type { BackendChoice } from "../protocol";
import { type Order, type Report, type RowOfPictures, rows } from "./protocol";
import { appended, cutAfter, entryOf, newRecord, parseRecord, type RunRecord, type Settings } from "./record";
import { empty, openStorage, readFile, replaceFile, type Storage, spareFolder } from "./storage";

/** The files of a run. */
const checkpointFile = "checkpoint.safetensors";
const [recordFile, generatorFile, picturesFile] = ["record.json", "generator.safetensors", "pictures.bin"];
/** The noises of the pictures that are watched. */
const pictureSeed = 11;

export interface Surroundings {
  readonly report: (report: Report, buffers?: ArrayBuffer[]) => void;
  /** Takes the run for this program, or waits until it is free. */
  readonly takeRun: (busy: () => void) => Promise<void>;
}

/** Where the page's files lie. */
type Addresses = Omit<Extract<Order, { kind: "open" }>, "kind">;

/** Carries out orders; one that trains goes on while others come. */
export function makeTrainer({ report, takeRun }: Surroundings): (order: Order) => Promise<void> {
  let addresses: Addresses = { files: "", wasm: "" };
  let storage: Storage | undefined;
  let folder: WritableFolder | undefined;
  let training: AbortController | undefined;
  /** The generator as it was last seen. */
  let latest: { readonly bytes: Uint8Array; readonly iteration: number } | undefined;
  /** The pictures that the page shows. */
  const shown = new Map<RowOfPictures, Uint8ClampedArray<ArrayBuffer>>();

  const opened = () => {
    if (!folder) throw new Error("The run is not open.");
    return folder;
  };

  return async (order) => {
    if (order.kind === "open") await open(order);
    else if (order.kind === "pause") training?.abort();
    else if (order.kind === "download") await download();
    else if (order.kind === "delete") {
      await empty(opened());
      latest = undefined;
      shown.delete("now");
      report({ kind: "deleted" });
    } else await train(order.settings, order.backend, order.resume);
  };

  async function open(order: Addresses): Promise<void> {
    addresses = order;
    await takeRun(() => report({ kind: "busy" }));
    storage = await openStorage();
    folder = spareFolder(storage.folder, `${checkpointFile}.next`, (reason) =>
      report({
        kind: "warning",
        message:
          reason === undefined
            ? "The run is stored again."
            : `The run could not be stored (${reason}): it goes on, and what it saves from here is lost with this tab. What was stored before is still there.`,
      }),
    );
    const record = await storedRecord(folder);
    if (record) await showStored(folder, record);
    const hasGenerator = (await folder.list()).includes(generatorFile);
    report({ kind: "opened", unstored: storage.unstored, record, hasGenerator });
  }

  async function showStored(from: WritableFolder, { saved }: RunRecord): Promise<void> {
    const pixels = await readFile(from, picturesFile);
    const each = pictureBytes * emoji.prompts.length;
    if (pixels?.length !== rows.length * each) return;
    for (const [i, row] of rows.entries())
      show(row, saved, new Uint8ClampedArray(pixels.slice(i * each, (i + 1) * each)));
  }

  function show(row: RowOfPictures, iteration: number, pixels: Uint8ClampedArray<ArrayBuffer>): void {
    shown.set(row, pixels);
    report({ kind: "pictures", row, iteration, pixels });
  }

  async function download(): Promise<void> {
    const record = await storedRecord(opened());
    const bytes = latest?.bytes.slice() ?? (await readFile(opened(), generatorFile));
    if (!bytes) throw new Error("There is no generator yet: one comes with the first look at it.");
    const iteration = latest?.iteration ?? record?.saved ?? 0;
    report({ kind: "generator", bytes: bytes as Uint8Array<ArrayBuffer>, iteration }, [bytes.buffer as ArrayBuffer]);
  }

  async function train(settings: Settings, backend: BackendChoice, resume: boolean): Promise<void> {
    if (training) throw new Error("Training is under way already.");
    const control = new AbortController();
    training = control;
    let reached = 0;
    const used: { dispose(): void }[] = [];
    try {
      const place = opened();
      const found = resume ? await storedRecord(place) : undefined;
      if (!resume) {
        await empty(place);
        latest = undefined;
        shown.delete("now");
      }
      report({ kind: "stage", text: "Starting the backend …" });
      const running = await startBackend(found?.backend ?? backend);
      report({ kind: "stage", text: "Loading the teacher …" });
      const stage = await loadStage(addresses.files, used);
      report({ kind: "stage", text: "Looking at real pictures …" });
      const group = await prepareGroup(emoji, stage, "trained", settings.captions);
      const real = (await measureReal(stage, group)).frechetDistance.value;
      let record = { ...(found ?? newRecord(settings, running, real)), settings };
      reached = record.saved;
      const drawRow = async (row: RowOfPictures, draw: Draw, iteration: number) =>
        show(row, iteration, toPixels(await drawEach(emoji.pictures, draw, emoji.prompts, randomStream(pictureSeed))));
      const look = async (method: Method, iteration: number) => {
        const { frechetDistance, allRight } = await measure(stage, group, method);
        const seen = { iteration, distance: frechetDistance.value, right: allRight.value };
        record = { ...record, looks: appended(record.looks, seen) };
        report({ kind: "look", look: seen });
      };
      const { teacher50Guided, teacher1 } = teacherMethods(stage.networks, emoji.recipe.kappa);
      report({ kind: "stage", text: "The teacher draws …" });
      if (!shown.has("before")) await drawRow("before", teacher1.draw, 0);
      if (!shown.has("teacher")) await drawRow("teacher", teacher50Guided.draw, 0);
      if (!found) await look(teacher1, 0);
      report({ kind: "begun", iteration: reached, record: cutAfter(record, reached) });

      let lap = performance.now();
      let written = false;
      const noticing: WritableFolder = {
        ...place,
        async rename(from, to) {
          await place.rename(from, to);
          written ||= to === checkpointFile;
        },
      };
      const keep = async (generator: GeneratorModel, iteration: number) => {
        latest = { bytes: encodeSafetensors(await readWeights(generator), { format: "pt" }), iteration };
      };
      const average = await distillTeacher({
        world: emoji,
        teacher: stage.model,
        teacherUnet: stage.networks.unet,
        text: stage.networks.text,
        method: sidLsg({ guidance: guidances.lsg(emoji.recipe.kappa), alpha: emoji.recipe.alpha }),
        ...{ iterations: settings.iterations, seed: settings.seed, resume: found !== undefined },
        ...{ checkpoint: checkpointFile, folder: noticing },
        ...{ saveEvery: settings.saveEvery, lookEvery: settings.lookEvery, signal: control.signal },
        onWarning: (message) => report({ kind: "warning", message }),
        async onSnapshot(generator, iteration) {
          await keep(generator, iteration);
          const method = generatorMethod({ ...stage.networks, generator });
          await drawRow("now", method.draw, iteration);
          await look(method, iteration);
        },
        async onMetrics(metrics) {
          const now = performance.now();
          const entry = entryOf(metrics);
          reached = metrics.iteration;
          record = {
            ...record,
            entries: appended(record.entries, entry),
            seconds: record.seconds + (now - lap) / 1000,
          };
          lap = now;
          const { numTensors, numBytes } = memory();
          report({ kind: "iteration", entry, tensors: numTensors, bytes: numBytes });
          if (!written) return;
          written = false;
          record = { ...record, saved: reached };
          await saveBeside(place, record, shown, latest?.bytes);
          report({ kind: "saved", iteration: reached });
        },
      });
      average.dispose();
    } catch (error) {
      if (!(error instanceof SidError && error.code === "aborted")) throw error;
    } finally {
      for (const each of used.reverse()) each.dispose();
      training = undefined;
    }
    report({ kind: "stopped", iteration: reached, finished: reached >= settings.iterations });
  }

  async function startBackend(backend: BackendChoice | BackendName): Promise<BackendName> {
    let line = `${backend}`;
    const options = {
      wasmPath: addresses.wasm,
      log: (chosen: string) => {
        line = chosen.replace(/^sid-lsg: backend /, "");
      },
    };
    const running = await useBackend(backend, options);
    if (running === "wasm" && !crossOriginIsolated) line += "; on one thread, as the page is not cross-origin isolated";
    report({ kind: "backend", line });
    return running;
  }
}

/** What a run is trained and measured with. */
interface Stage {
  readonly model: ModelFolder;
  readonly networks: { readonly unet: Unet; readonly text: Text; readonly pictures: ModelFolder["pictures"] };
  readonly judge: Classifier;
  readonly real: RealPictures;
  readonly sampleShape: readonly number[];
}

/** Loads the quick start's files; what is to be disposed of is added to `used`. */
async function loadStage(files: string, used: { dispose(): void }[]): Promise<Stage> {
  const own = <T extends { dispose(): void }>(x: T): T => {
    used.push(x);
    return x;
  };
  const model = await readFolder(urlFolder(new URL("quickstart/teacher", files)));
  const { tensors } = decodeSafetensors(await download(new URL("quickstart/judge.safetensors", files)));
  const stamps = stampsOf(await download(new URL("emoji.png", files)));
  return {
    model,
    networks: {
      unet: own(makeUnet(model, "teacher")),
      text: own(makeText(model, "text")),
      pictures: model.pictures,
    },
    judge: own(createClassifier(judgeConfig(emoji.pictures.size, emoji.aspects), tensors)),
    real: { draw: (scenes, stream) => drawPictures(stamps, scenes as Parameters<typeof drawPictures>[1], stream) },
    sampleShape: sampleShape(emoji.pictures),
  };
}

async function download(address: URL): Promise<Uint8Array> {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address.href} cannot be loaded: ${response.status}.`);
  return new Uint8Array(await response.arrayBuffer());
}

const pictureBytes = 4 * emoji.pictures.size ** 2;

/** Red, green, blue and 255 for each pixel of all pictures. */
function toPixels(pictures: readonly Canvas[]): Uint8ClampedArray<ArrayBuffer> {
  const pixels = new Uint8ClampedArray(pictures.length * pictureBytes).fill(255);
  pictures.forEach(({ data }, n) => {
    data.forEach((value, i) => {
      pixels[n * pictureBytes + 4 * Math.floor(i / 3) + (i % 3)] = value;
    });
  });
  return pixels;
}

async function storedRecord(folder: WritableFolder): Promise<RunRecord | undefined> {
  const bytes = await readFile(folder, recordFile);
  const record = bytes && parseRecord(new TextDecoder().decode(bytes));
  return record && (await folder.list()).some((name) => name.startsWith(checkpointFile)) ? record : undefined;
}

/** Writes what belongs to a checkpoint that has just been written. */
async function saveBeside(
  folder: WritableFolder,
  record: RunRecord,
  shown: ReadonlyMap<RowOfPictures, Uint8ClampedArray>,
  generator: Uint8Array | undefined,
): Promise<void> {
  if (generator) await replaceFile(folder, generatorFile, generator);
  if (rows.every((row) => shown.has(row)))
    await replaceFile(folder, picturesFile, new Uint8Array(rows.flatMap((row) => [...(shown.get(row) ?? [])])));
  await replaceFile(folder, recordFile, new TextEncoder().encode(JSON.stringify(record)));
}
