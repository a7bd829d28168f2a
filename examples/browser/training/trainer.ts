/** Trains the quick start as `npm start` does, and reports; knows nothing of workers and pages. */
import { memory } from "@tensorflow/tfjs-core";
import { randomStream, SidError, sidLsg } from "sid-lsg";
import { type BackendName, useBackend } from "sid-lsg/backends";
import { encodeSafetensors, type WritableFolder } from "sid-lsg/io";
import { type GeneratorModel, readWeights } from "sid-lsg/models";
import { emoji } from "../../quickstart/emoji";
import { distillTeacher, guidances } from "../../text-to-image/distillation";
import { measure, measureReal, prepareGroup } from "../../text-to-image/measure";
import { type Draw, generatorMethod, type Method, teacherMethods } from "../../text-to-image/methods";
import { drawEach } from "../../text-to-image/samples";
import type { BackendChoice } from "../protocol";
import { type Order, type Report, type RowOfPictures, rows } from "./protocol";
import { appended, cutAfter, entryOf, newRecord, type RunRecord, type Settings } from "./record";
import { loadStage, pictureBytes, toPixels } from "./stage";
import { openStorage, readFile, type SpareFolder, spareFolder } from "./storage";
import { checkpointFile, generatorFile, picturesFile, readRun, writeBeside, writeRecord } from "./stored-run";

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
  let folder: SpareFolder | undefined;
  /** Whether what is saved outlives the tab. */
  let isStored = () => false;
  let training: AbortController | undefined;
  /** The generator as it was last seen. */
  let latest: { readonly bytes: Uint8Array; readonly iteration: number } | undefined;
  /** The pictures that the page shows. */
  const shown = new Map<RowOfPictures, Uint8ClampedArray<ArrayBuffer>>();

  const alive = (): undefined => {
    report({ kind: "alive" });
  };
  const opened = () => {
    if (!folder) throw new Error("The run is not open.");
    return folder;
  };

  return async (order) => {
    if (order.kind === "open") await open(order);
    else if (order.kind === "pause") training?.abort();
    else if (order.kind === "download") await download();
    else if (order.kind === "delete") {
      await opened().clear();
      latest = undefined;
      shown.delete("now");
      report({ kind: "deleted" });
    } else await train(order.settings, order.backend, order.resume);
  };

  async function open(order: Addresses): Promise<void> {
    addresses = order;
    await takeRun(() => report({ kind: "busy" }));
    const storage = await openStorage();
    const place = spareFolder(storage.folder, `${checkpointFile}.next`, (reason) =>
      report({
        kind: "warning",
        message:
          reason === undefined
            ? "The run is stored again."
            : `The run could not be stored (${reason}): it goes on, and what it saves from here is lost with this tab. What was stored before is still there.`,
      }),
    );
    folder = place;
    isStored = () => storage.unstored === undefined && !place.isInMemory();
    const found = await readRun(place);
    const [record, fault] = typeof found === "string" ? [undefined, found] : [found, undefined];
    if (record) await showStored(place, record);
    const hasGenerator = (await place.list()).includes(generatorFile);
    report({ kind: "opened", unstored: storage.unstored, record, fault, hasGenerator });
    if (storage.doubt !== undefined)
      report({ kind: "warning", message: `The browser’s storage takes nothing now: ${storage.doubt}.` });
  }

  async function showStored(from: WritableFolder, { looks }: RunRecord): Promise<void> {
    const pixels = await readFile(from, picturesFile);
    const each = pictureBytes * emoji.prompts.length;
    if (pixels?.length !== rows.length * each) return;
    const iteration = looks.at(-1)?.iteration ?? 0;
    for (const [i, row] of rows.entries())
      show(row, iteration, new Uint8ClampedArray(pixels.slice(i * each, (i + 1) * each)));
  }

  function show(row: RowOfPictures, iteration: number, pixels: Uint8ClampedArray<ArrayBuffer>): void {
    shown.set(row, pixels);
    report({ kind: "pictures", row, iteration, pixels });
  }

  async function download(): Promise<void> {
    const bytes = latest?.bytes.slice() ?? (await readFile(opened(), generatorFile));
    if (!bytes) throw new Error("There is no generator yet: one comes with the first look at it.");
    const found = latest ? undefined : await readRun(opened());
    const iteration = latest?.iteration ?? (typeof found === "object" ? found.looks.at(-1)?.iteration : undefined) ?? 0;
    report({ kind: "generator", bytes: bytes as Uint8Array<ArrayBuffer>, iteration }, [bytes.buffer as ArrayBuffer]);
  }

  async function train(settings: Settings, backend: BackendChoice, resume: boolean): Promise<void> {
    if (training) throw new Error("Training is under way already.");
    const control = new AbortController();
    training = control;
    let reached = 0;
    const stage = (text: string) => {
      if (control.signal.aborted) throw new SidError("aborted", "The run was paused before its first iteration.");
      report({ kind: "stage", text });
    };
    const used: { dispose(): void }[] = [];
    try {
      const place = opened();
      const found = resume ? await readRun(place) : undefined;
      if (typeof found === "string" || (resume && !found))
        throw new Error("What was stored of the run is gone or damaged: reload the page.");
      reached = found?.saved ?? 0;
      if (!resume) {
        await place.clear();
        latest = undefined;
        shown.delete("now");
      }
      stage("Starting the backend …");
      const running = await startBackend(backend === "auto" ? (found?.backend ?? backend) : backend);
      stage("Loading the teacher …");
      const loaded = await loadStage(addresses.files, used, alive);
      stage("Looking at real pictures …");
      const group = await prepareGroup(emoji, loaded, "trained", settings.captions);
      const real = (await measureReal(loaded, group)).frechetDistance.value;
      let record = { ...(found ?? newRecord(settings, running, real)), settings, backend: running };
      const drawRow = async (row: RowOfPictures, draw: Draw, iteration: number) =>
        show(row, iteration, toPixels(await drawEach(emoji.pictures, draw, emoji.prompts, randomStream(pictureSeed))));
      const look = async (method: Method, iteration: number) => {
        const draw: Draw = (captions, noise) => {
          alive();
          return method.draw(captions, noise);
        };
        const { frechetDistance, allRight } = await measure(loaded, group, { ...method, draw });
        const seen = { iteration, distance: frechetDistance.value, right: allRight.value };
        record = { ...record, looks: appended(record.looks, seen) };
        report({ kind: "look", look: seen });
      };
      const { teacher50Guided, teacher1 } = teacherMethods(loaded.networks, emoji.recipe.kappa);
      stage("The teacher draws …");
      if (!shown.has("before")) await drawRow("before", teacher1.draw, 0);
      if (!shown.has("teacher")) await drawRow("teacher", teacher50Guided.draw, 0);
      if (!found) {
        await look(teacher1, 0);
        await writeRecord(place, record);
      }
      report({ kind: "begun", iteration: reached, record: cutAfter(record, reached) });

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
      /** Tells where the run is saved up to now. */
      const saved = (iteration: number) => {
        record = { ...record, saved: iteration };
        report({ kind: "saved", iteration, stored: isStored() });
      };
      const keepBeside = async () => {
        written = false;
        await writeBeside(place, { ...record, saved: reached }, shown, latest?.bytes);
        saved(reached);
      };
      const average = await distillTeacher({
        world: emoji,
        teacher: loaded.model,
        teacherUnet: loaded.networks.unet,
        text: loaded.networks.text,
        method: sidLsg({ guidance: guidances.lsg(emoji.recipe.kappa), alpha: emoji.recipe.alpha }),
        ...{ iterations: settings.iterations, seed: settings.seed, resume: found !== undefined },
        ...{ checkpoint: checkpointFile, folder: noticing, allowOtherArithmetic: true },
        ...{ saveEvery: settings.saveEvery, lookEvery: settings.lookEvery, signal: control.signal },
        onWarning: (message) => report({ kind: "warning", message }),
        onGradients: alive,
        async onSnapshot(generator, iteration) {
          await keep(generator, iteration);
          const method = generatorMethod({ ...loaded.networks, generator });
          await drawRow("now", method.draw, iteration);
          await look(method, iteration);
        },
        async onMetrics(metrics) {
          // Where the newest checkpoint is damaged a run goes on from the one before.
          if (metrics.iteration !== reached + 1) saved(metrics.iteration - 1);
          const entry = entryOf(metrics);
          reached = metrics.iteration;
          record = { ...record, entries: appended(record.entries, entry) };
          const { numTensors, numBytes } = memory();
          report({ kind: "iteration", entry, tensors: numTensors, bytes: numBytes });
          if (written) await keepBeside();
        },
      });
      average.dispose();
      // A pause after an iteration was handed over is saved after the last of them.
      if (written) await keepBeside();
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
