/// <reference types="vite/client" />
/** The page: what it asks of the worker, and what it shows of the answers. See README.md. */
import { type EmojiScene, sceneOf } from "../quickstart/captions";
import { addressOf, readAddress } from "./address";
import { addressesOf, type Place } from "./addresses";
import { captionOf, makeChips, unseen } from "./chips";
import { byId } from "./elements";
import { type Gallery, makeGallery } from "./gallery";
import { markup } from "./markup";
import {
  type Artist,
  type BackendChoice,
  backendChoices,
  type Failure,
  mostPictures,
  type Order,
  type Pictures,
  type Report,
} from "./protocol";
import css from "./style.css?inline";

/** Longer than this no answer takes; then the worker hangs or is gone, of which browsers say nothing. */
const patience = 60_000;
/** What an address asks for that says nothing. */
const first = { caption: "a blue fox", seed: "0" };

/** Puts the page into an element, in place of what it holds, and starts it; the function that comes back ends it. */
export function mount(element: HTMLElement, place: Place): () => void {
  const { wasm, files } = addressesOf(place);
  const page = document.createElement("div");
  page.className = "emoji-page";
  page.innerHTML = `<style>${css}</style>${markup}`;
  element.replaceChildren(page);
  const alertBox = byId(page, "alert", HTMLElement);
  const status = byId(page, "status", HTMLElement);
  const controls = byId(page, "controls", HTMLFieldSetElement);
  const caption = byId(page, "caption", HTMLInputElement);
  const seed = byId(page, "seed", HTMLInputElement);
  const file = byId(page, "file", HTMLInputElement);
  const asking = [controls, byId(page, "chips", HTMLFieldSetElement), file];
  const showScene = makeChips(page, new URL("emoji.png", files), choose);
  const drawn: Partial<Record<Artist, Pictures>> = {};
  let scene: EmojiScene = { object: "fox", colour: "own", size: "big" };
  let gallery: Gallery | undefined;
  let worker: Worker | undefined;
  let watch: ReturnType<typeof setTimeout> | undefined;
  let latest = 0;
  let ordered = "";

  byId(page, "form", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    draw();
  });
  byId(page, "next", HTMLButtonElement).addEventListener("click", () => {
    seed.value = String(Math.floor(Number(seed.value)) + 1);
    draw();
  });
  caption.addEventListener("input", understand);
  file.addEventListener("change", () => {
    const [chosen] = file.files ?? [];
    if (chosen) open(chosen);
    file.value = ""; // so that the same file can be chosen again
  });
  const onHash = () => {
    takeAddress();
    if (!controls.disabled) draw();
  };
  addEventListener("hashchange", onHash);
  takeAddress();
  start();
  return () => {
    removeEventListener("hashchange", onHash);
    clearTimeout(watch);
    worker?.terminate();
    page.remove();
  };

  function start(): void {
    complain("");
    const asked = new URLSearchParams(location.search);
    const backend = asked.get("backend") ?? "auto";
    const pictures = Number(asked.get("pictures") ?? mostPictures);
    if (!isChoice(backend)) {
      stop(`The backend must be one of ${backendChoices.join(", ")}, the address of the page asks for "${backend}".`);
      return;
    }
    if (!(Number.isInteger(pictures) && pictures >= 1 && pictures <= mostPictures)) {
      stop(`There are 1 to ${mostPictures} pictures, the address of the page asks for "${asked.get("pictures")}".`);
      return;
    }
    gallery = makeGallery(page, pictures);
    worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    worker.addEventListener("message", ({ data }: MessageEvent<Report>) => receive(data));
    worker.addEventListener("error", (event) => {
      const reason = event.message ? `stopped: ${event.message}` : "did not start: its script cannot be loaded";
      stop(`The worker that computes ${reason}. Reload the page to try again.`);
    });
    status.textContent = "Loading the networks …";
    order({ kind: "start", backend, wasm, files, pictures });
  }

  /** Fills the fields as the address asks. */
  function takeAddress(): void {
    const wish = readAddress(location.hash, first);
    caption.value = wish.caption;
    seed.value = wish.seed;
    understand();
  }

  /** Has the chips say what the caption says. */
  function understand(): void {
    const meant = sceneOf(caption.value);
    scene = meant ?? scene;
    showScene(meant);
    byId(page, "note", HTMLElement).textContent = meant ? unseen(meant) : "The caption names none of the objects.";
  }

  /** Has the caption say what the chips say. */
  function choose(change: Partial<EmojiScene>): void {
    caption.value = captionOf({ ...scene, ...change });
    understand();
    draw();
  }

  function draw(): void {
    latest++;
    ordered = caption.value;
    complain("");
    status.textContent = `Drawing “${ordered}” …`;
    for (const artist of ["generator", "teacher"] as const) {
      delete drawn[artist];
      gallery?.outdate(artist);
      byId(page, `${artist}-progress`, HTMLProgressElement).value = 0;
      byId(page, `${artist}-time`, HTMLElement).textContent = " ";
    }
    const address = addressOf({ caption: ordered, seed: seed.value });
    history.replaceState(history.state, "", address);
    linkOn(address);
    order({ kind: "draw", id: latest, caption: ordered, seed: seed.valueAsNumber, withTeacher: true });
  }

  /** Has the links to other backends ask for the same. */
  function linkOn(address: string): void {
    const pictures = new URLSearchParams(location.search).get("pictures");
    for (const link of page.querySelectorAll<HTMLAnchorElement>("nav a")) {
      const to = new URL(link.href);
      if (pictures !== null) to.searchParams.set("pictures", pictures);
      to.hash = address;
      link.href = to.href;
    }
  }

  function open(chosen: File): void {
    complain("");
    status.textContent = `Opening ${chosen.name} …`;
    order({ kind: "open", file: chosen });
  }

  function order(message: Order): void {
    worker?.postMessage(message);
    expectAnswer();
  }

  function receive(report: Report): void {
    clearTimeout(watch);
    if (report.kind === "pictures") {
      if (report.id === latest) show(report);
      else expectAnswer();
    } else if (report.kind === "backend") {
      byId(page, "backend", HTMLElement).textContent = report.line;
      expectAnswer();
    } else if (report.kind === "loaded") {
      status.textContent = "Warming up …";
      expectAnswer();
    } else if (report.kind === "ready") {
      byId(page, "words", HTMLElement).textContent = report.words.join(" ");
      for (const element of asking) element.disabled = false;
      draw();
    } else if (report.kind === "opened") {
      byId(page, "weights", HTMLElement).textContent = `In use: ${report.name}.`;
      draw();
    } else if (report.order === "start") stop(inWords(report));
    else if (report.order === "draw" && report.id !== latest) expectAnswer();
    else {
      complain(inWords(report));
      status.textContent = report.order === "open" ? "The weights are as they were." : "Nothing was drawn.";
    }
  }

  function show(pictures: Pictures): void {
    const { artist, step, steps, milliseconds } = pictures;
    gallery?.hang(pictures, ordered);
    byId(page, `${artist}-progress`, HTMLProgressElement).value = step;
    byId(page, `${artist}-time`, HTMLElement).textContent =
      step < steps ? `${step} of ${steps}` : duration(milliseconds);
    if (step < steps || artist === "generator") expectAnswer();
    if (step === steps) drawn[artist] = pictures;
    const { generator, teacher } = drawn;
    if (generator && teacher) {
      const times = Math.round(teacher.milliseconds / generator.milliseconds);
      status.textContent = `Drawn. The teacher took ${times}× as long.`;
    }
  }

  /** Says so where nothing comes for too long. */
  function expectAnswer(): void {
    clearTimeout(watch);
    watch = setTimeout(() => {
      stop("The worker that computes has not answered for a minute. Reload the page, or try another backend.");
    }, patience);
  }

  /** Ends in words: nothing can be drawn any more. */
  function stop(message: string): void {
    clearTimeout(watch);
    worker?.terminate();
    worker = undefined;
    for (const element of asking) element.disabled = true;
    status.textContent = "Stopped.";
    complain(message);
  }

  function complain(message: string): void {
    alertBox.textContent = message;
  }
}

function inWords({ message, code }: Failure): string {
  return code === undefined ? message : `${message} (${code})`;
}

function duration(milliseconds: number): string {
  return milliseconds < 1000 ? `${milliseconds.toPrecision(3)} ms` : `${(milliseconds / 1000).toPrecision(3)} s`;
}

function isChoice(text: string): text is BackendChoice {
  return (backendChoices as readonly string[]).includes(text);
}
