/// <reference types="vite/client" />
/** The page that trains the quick start: what it asks of the worker, and what it shows of the answers. */

import type { Unmount } from "../../common/live";
import { addressesOf, type Place } from "../addresses";
import { byId } from "../elements";
import { askedFor, whyNot } from "./asked";
import { drawCharts, figuresOf } from "./figures";
import { markup } from "./markup";
import { startPace } from "./pace";
import { makePictures } from "./pictures";
import type { Order, Report } from "./protocol";
import { appended, type RecordFault, type RunRecord } from "./record";
import css from "./style.css?inline";
import { failureOf, inIterations, isDeadEnd } from "./words";

/** Longer than this the worker is not silent; then it hangs or is gone, of which browsers say nothing. */
const patience = 120_000;

/** Puts the page into an element, in place of what it holds; the function that comes back ends it. */
export function mount(element: HTMLElement, place: Place): Unmount {
  const page = document.createElement("div");
  page.className = "training-page";
  page.innerHTML = `<style>${css}</style>${markup}`;
  element.replaceChildren(page);
  const says = (id: string) => {
    const at = byId(page, id, HTMLElement);
    return (text: string) => {
      if (at.textContent !== text) at.textContent = text;
    };
  };
  const [complain, tell, warn, showProgress, showBackend, showMemory] = [
    ...["alert", "status", "warning", "progress", "backend", "memory"].map(says),
  ] as [Say, Say, Say, Say, Say, Say];
  const [iterations, seed] = [byId(page, "iterations", HTMLInputElement), byId(page, "seed", HTMLInputElement)];
  const [trainButton, pauseButton, downloadButton, deleteButton] = ["train", "pause", "download", "delete"].map((id) =>
    byId(page, id, HTMLButtonElement),
  ) as [HTMLButtonElement, HTMLButtonElement, HTMLButtonElement, HTMLButtonElement];
  const bar = byId(page, "bar", HTMLProgressElement);
  const charts = byId(page, "charts", HTMLElement);
  const pictures = makePictures(byId(page, "pictures", HTMLElement));
  const asked = askedFor(location.search);

  let worker: Worker | undefined;
  let watch: ReturnType<typeof setTimeout> | undefined;
  let record: RunRecord | undefined;
  /** What is wrong with what is stored, if so. */
  let fault: RecordFault | undefined;
  /** What the page is doing: nothing can be asked while it opens. */
  let state: "opening" | "idle" | "training" | "ending" = "opening";
  let done = 0;
  /** Iterations that outlive this tab; `record.saved` are those that a resume goes on from. */
  let stored = 0;
  let unstored: string | undefined;
  let hasGenerator = false;
  let pace = startPace();
  let frame = 0;

  byId(page, "settings", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    train();
  });
  pauseButton.addEventListener("click", () => {
    state = "ending";
    tell("Ending this iteration and saving …");
    enable();
    order({ kind: "pause" });
    expect();
  });
  downloadButton.addEventListener("click", () => order({ kind: "download" }));
  deleteButton.addEventListener("click", () => {
    if (confirm("Delete the run, its figures and its generator from this browser?")) order({ kind: "delete" });
  });
  const leaving = (event: BeforeUnloadEvent) => {
    if (unsaved() > 0) event.preventDefault();
  };
  addEventListener("beforeunload", leaving);
  iterations.value = String(asked.settings.iterations);
  seed.value = String(asked.settings.seed);
  complain(asked.wrong);
  open();
  const unmount = () => {
    removeEventListener("beforeunload", leaving);
    cancelAnimationFrame(frame);
    clearTimeout(watch);
    worker?.terminate();
    page.remove();
  };
  const mayLeave = () =>
    unsaved() === 0 ||
    confirm(
      `Leave, and lose ${inIterations(unsaved())} that are not saved? “Pause and save” keeps what can be stored.`,
    );
  return Object.assign(unmount, { mayLeave });

  /** Starts a worker, which looks what is stored. */
  function open(): void {
    worker?.terminate();
    state = "opening";
    enable();
    worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    worker.addEventListener("message", ({ data }: MessageEvent<Report>) => receive(data));
    worker.addEventListener("error", (event) => {
      const reason = event.message ? `stopped: ${event.message}` : "did not start: its script cannot be loaded";
      lost(`The worker that computes ${reason}.`);
    });
    order({ kind: "open", ...addressesOf(place) });
  }

  function order(message: Order): void {
    worker?.postMessage(message);
  }

  function train(): void {
    const settings = { ...(record?.settings ?? asked.settings), iterations: iterations.valueAsNumber };
    const wanted = { ...settings, seed: record ? settings.seed : seed.valueAsNumber };
    const wrong = whyNot(wanted, record);
    complain(wrong ?? "");
    if (wrong !== undefined) return;
    if (fault !== undefined && !confirm(`A run is stored that is ${fault}. Delete it, and train anew?`)) return;
    state = "training";
    pace = startPace();
    if (!record) forget();
    enable();
    // The browser may be asked to keep what is stored when it gets short of room; it decides.
    navigator.storage?.persist?.().catch(() => {});
    order({ kind: "train", settings: wanted, backend: asked.backend, resume: record !== undefined });
    expect();
  }

  function receive(report: Report): void {
    if (state === "training" || state === "ending") expect();
    if (report.kind === "busy") tell("Another tab has this run: close it there, and this page goes on by itself.");
    else if (report.kind === "opened") {
      ({ unstored, record, fault, hasGenerator } = report);
      done = stored = record?.saved ?? 0;
      rest();
    } else if (report.kind === "stage") tell(report.text);
    else if (report.kind === "backend") showBackend(report.line);
    else if (report.kind === "pictures") pictures.show(report);
    else if (report.kind === "begun") {
      record = report.record;
      done = report.iteration;
      tell(state === "ending" ? "Ending this iteration and saving …" : "Training.");
      enable();
      redraw();
    } else if (report.kind === "iteration") {
      done = report.entry.iteration;
      pace.tick(done, performance.now());
      if (record) record = { ...record, entries: appended(record.entries, report.entry) };
      showMemory(`Memory: ${report.tensors} tensors, ${Math.round(report.bytes / 1e6)} MB.`);
      redraw();
    } else if (report.kind === "look") {
      hasGenerator ||= report.look.iteration > 0;
      if (record) record = { ...record, looks: appended(record.looks, report.look) };
      enable();
      redraw();
    } else if (report.kind === "saved") {
      if (record) record = { ...record, saved: report.iteration };
      if (report.stored) stored = report.iteration;
      redraw();
    } else if (report.kind === "warning") warn(report.message);
    else if (report.kind === "stopped") {
      if (report.iteration === 0) record = undefined;
      rest();
    } else if (report.kind === "generator") save(report.bytes, report.iteration);
    else if (report.kind === "deleted") {
      forget();
      rest();
      tell("Deleted. Nothing of the run is stored any more.");
    } else if (report.kind === "alive") return;
    else if (report.order === "train" || report.order === "open") lost(failureOf(report), report.code);
    else complain(failureOf(report));
  }

  /** Nothing is left of a run, or soon will be. */
  function forget(): void {
    [record, fault, done, stored, hasGenerator] = [undefined, undefined, 0, 0, false];
    pictures.clear("now");
    warn("");
  }

  /** Nothing is under way. */
  function rest(): void {
    clearTimeout(watch);
    state = "idle";
    const total = record?.settings.iterations ?? asked.settings.iterations;
    if (record) {
      iterations.value = String(Math.max(total, done));
      seed.value = String(record.settings.seed);
    }
    if (unstored !== undefined) warn(`Nothing is stored: ${unstored}. A run goes on as long as this tab is open.`);
    const here = "in this tab’s memory only";
    const rest = stored === 0 ? `, ${here}` : `; ${stored} of them are stored, the rest is ${here}`;
    const onlyHere = stored < done ? rest : "";
    if (fault !== undefined) tell(`A run is stored that is ${fault}: it cannot be shown or go on, and can be deleted.`);
    else if (!record) tell("Nothing is stored of a run yet.");
    else if (done >= total) tell(`Trained: all ${inIterations(total)}${onlyHere}.`);
    else tell(`Saved after ${done} of ${inIterations(total)}${onlyHere}.`);
    enable();
    redraw();
  }

  /** The worker is of no use any more: a new one goes on from what is stored. */
  function lost(message: string, code?: string): void {
    clearTimeout(watch);
    worker?.terminate();
    const was = state;
    const memory = record && record.saved > stored ? " What was in this tab’s memory only is lost." : "";
    const rest =
      was === "opening"
        ? "Reload the page to try again."
        : isDeadEnd(code)
          ? ""
          : stored > 0
            ? `What was stored is whole: “Resume” goes on from there.${memory}`
            : `Nothing was saved yet.${memory}`;
    complain(`${message} ${rest}`.trim());
    if (was === "opening") {
      tell("Stopped.");
      enable();
    } else open();
  }

  function expect(): void {
    clearTimeout(watch);
    watch = setTimeout(() => lost("The worker that computes has not answered for two minutes."), patience);
  }

  function enable(): void {
    const idle = state === "idle";
    trainButton.textContent = record === undefined ? "Train" : "Resume";
    trainButton.disabled = !idle;
    pauseButton.disabled = state !== "training";
    downloadButton.disabled = state === "opening" || !hasGenerator;
    deleteButton.disabled = !(idle && (record || fault !== undefined || hasGenerator));
    iterations.disabled = !idle;
    seed.disabled = !idle || record !== undefined;
  }

  /** Once a frame at most. */
  function redraw(): void {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => {
      const total = iterations.valueAsNumber;
      bar.max = total;
      bar.value = done;
      const saved = record && stored < done ? `; stored up to ${stored}` : "";
      showProgress(done === 0 ? " " : `${done} of ${inIterations(total)}${saved}. ${pace.text(total)}`);
      for (const [id, text] of Object.entries(figuresOf(record))) byId(page, id, HTMLElement).textContent = text;
      charts.innerHTML = record ? drawCharts(record, Math.max(done, 1)) : "";
    });
  }

  /** Iterations that would be lost. */
  function unsaved(): number {
    return record ? done - stored : 0;
  }
}

type Say = (text: string) => void;

/** Hands the generator to the user as a file. */
function save(bytes: Uint8Array<ArrayBuffer>, iteration: number): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
  link.download = `generator-${iteration}.safetensors`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
