/** The page: what it asks of the worker, and what it shows of the answers. See README.md. */
import {
  type Artist,
  type BackendChoice,
  backendChoices,
  type Failure,
  type Order,
  type Picture,
  type Report,
} from "./protocol";

/** Longer than this no answer takes; then the worker hangs or is gone, of which browsers say nothing. */
const patience = 60_000;

const alertBox = byId("alert", HTMLElement);
const status = byId("status", HTMLElement);
const controls = byId("controls", HTMLFieldSetElement);
const caption = byId("caption", HTMLInputElement);
const seed = byId("seed", HTMLInputElement);
const file = byId("file", HTMLInputElement);
const drawn: Partial<Record<Artist, Picture>> = {};
let worker: Worker | undefined;
let watch: ReturnType<typeof setTimeout> | undefined;
let latest = 0;

byId("form", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  draw();
});
byId("next", HTMLButtonElement).addEventListener("click", () => {
  seed.value = String(Math.floor(Number(seed.value)) + 1);
  draw();
});
file.addEventListener("change", () => {
  const [chosen] = file.files ?? [];
  if (chosen) open(chosen);
  file.value = ""; // so that the same file can be chosen again
});
start();

function start(): void {
  complain("");
  alertBox.dataset["live"] = "";
  const backend = new URLSearchParams(location.search).get("backend") ?? "auto";
  if (!isChoice(backend)) {
    stop(`The backend must be one of ${backendChoices.join(", ")}, the address of the page asks for "${backend}".`);
    return;
  }
  worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  worker.addEventListener("message", ({ data }: MessageEvent<Report>) => receive(data));
  worker.addEventListener("error", (event) => {
    const reason = event.message ? `stopped: ${event.message}` : "did not start: its script cannot be loaded";
    stop(`The worker that computes ${reason}. Reload the page to try again.`);
  });
  status.textContent = "Loading the networks …";
  order({ kind: "start", backend, page: document.baseURI });
}

function draw(): void {
  latest++;
  complain("");
  status.textContent = `Drawing “${caption.value}” …`;
  for (const artist of ["generator", "teacher"] as const) {
    delete drawn[artist];
    byId(artist, HTMLCanvasElement).dataset["of"] = "an earlier order";
    byId(`${artist}-progress`, HTMLProgressElement).value = 0;
    byId(`${artist}-time`, HTMLElement).textContent = " ";
  }
  order({ kind: "draw", id: latest, caption: caption.value, seed: seed.valueAsNumber });
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
  if (report.kind === "picture") {
    if (report.id === latest) show(report);
  } else if (report.kind === "backend") {
    byId("backend", HTMLElement).textContent = report.line;
    expectAnswer();
  } else if (report.kind === "ready") {
    byId("words", HTMLElement).textContent = report.words.join(" ");
    controls.disabled = file.disabled = false;
    draw();
  } else if (report.kind === "opened") {
    byId("weights", HTMLElement).textContent = `In use: ${report.name}.`;
    draw();
  } else if (report.order === "start") stop(inWords(report));
  else {
    complain(inWords(report));
    status.textContent = report.order === "open" ? "The weights are as they were." : "Nothing was drawn.";
  }
}

function show(picture: Picture): void {
  const { artist, step, steps, milliseconds, pixels } = picture;
  const canvas = byId(artist, HTMLCanvasElement);
  canvas.getContext("2d")?.putImageData(new ImageData(pixels, canvas.width, canvas.height), 0, 0);
  delete canvas.dataset["of"];
  canvas.setAttribute("aria-label", `${caption.value}, drawn by the ${artist}`);
  byId(`${artist}-progress`, HTMLProgressElement).value = step;
  byId(`${artist}-time`, HTMLElement).textContent = step < steps ? `${step} of ${steps}` : duration(milliseconds);
  if (step < steps || artist === "generator") expectAnswer();
  if (step === steps) drawn[artist] = picture;
  const { generator, teacher } = drawn;
  if (generator && teacher) {
    const times = Math.round(teacher.milliseconds / generator.milliseconds);
    status.textContent = `Drawn. The teacher took ${times} times as long.`;
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
  controls.disabled = file.disabled = true;
  status.textContent = "Stopped.";
  complain(message);
}

function complain(message: string): void {
  alertBox.textContent = message;
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

function byId<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`The page lacks the element "${id}".`);
  return found;
}
