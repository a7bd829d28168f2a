/// <reference types="vite/client" />
/** The generator in place of a picture: it draws a caption as soon as somebody presses the button, and loads nothing before. */
import { addressesOf, type Place } from "./addresses";
import css from "./landing.css?inline";
import type { Order, Pictures, Report } from "./protocol";

const count = 8;
const side = 24;
const first = "a blue fox";

const markup = `
  <form>
    <label>Caption <input type="text" autocomplete="off" autocapitalize="none" spellcheck="false" enterkeyhint="go" /></label>
    <button type="submit">Draw it here, in one pass</button>
  </form>
  <div class="row" role="img" aria-label="No pictures yet">${`<canvas width="${side}" height="${side}"></canvas>`.repeat(count)}</div>
  <p role="status">Nothing is loaded before you press the button; the generator then runs in this page.</p>
`;

/** Fills the element; the function that comes back ends it. */
export function mount(element: HTMLElement, place: Place): () => void {
  const part = document.createElement("div");
  part.className = "landing-generator";
  part.innerHTML = `<style>${css}</style>${markup}`;
  element.replaceChildren(part);
  const find = <T extends Element>(selector: string) => part.querySelector(selector) as T;
  const [caption, status, row] = [find<HTMLInputElement>("input"), find<HTMLElement>("p"), find<HTMLElement>(".row")];
  caption.value = first;
  let worker: Worker | undefined;
  let ready = false;
  let latest = 0;
  /** The caption of the latest order; the field may have changed since. */
  let ordered = "";

  find<HTMLFormElement>("form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (worker) draw();
    else start();
  });
  return () => {
    worker?.terminate();
    part.remove();
  };

  function order(message: Order): void {
    worker?.postMessage(message);
  }

  function start(): void {
    status.textContent = "Loading the generator …";
    worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    worker.addEventListener("message", ({ data }: MessageEvent<Report>) => receive(data));
    worker.addEventListener("error", () =>
      stop("The generator’s script cannot be loaded: reload the page to try again."),
    );
    order({ kind: "start", backend: "auto", ...addressesOf(place), pictures: count });
  }

  function draw(): void {
    if (!ready) return;
    latest++;
    ordered = caption.value;
    order({ kind: "draw", id: latest, caption: ordered, seed: latest - 1, withTeacher: false });
  }

  function receive(report: Report): void {
    if (report.kind === "ready") {
      ready = true;
      draw();
    } else if (report.kind === "pictures" && report.id === latest) show(report);
    else if (report.kind === "failed") {
      if (report.order === "start") stop(report.message);
      else if (report.id === latest) status.textContent = report.message;
    }
  }

  function show({ pixels, milliseconds }: Pictures): void {
    const each = 4 * side * side;
    for (const [i, canvas] of [...row.querySelectorAll("canvas")].entries()) {
      const picture = new ImageData(pixels.subarray(i * each, (i + 1) * each), side, side);
      canvas.getContext("2d")?.putImageData(picture, 0, 0);
    }
    row.setAttribute("aria-label", `Pictures of ${ordered}, drawn by the generator`);
    status.textContent = `${count} pictures, one pass of the network each: ${milliseconds.toFixed(0)} ms for all, on this machine.`;
  }

  function stop(message: string): void {
    worker?.terminate();
    [worker, ready] = [undefined, false];
    status.textContent = message;
  }
}
