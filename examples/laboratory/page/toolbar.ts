/** What is at hand: run, pause, step, start again, and how far it is. */
import type { FrameClock } from "./clock";
import { button, make } from "./dom";
import type { Session, Status } from "./session";

type Rate = ReturnType<FrameClock["reading"]>;

export interface Toolbar {
  readonly element: HTMLElement;
  show(status: Status): void;
  /** How far training is. */
  count(iteration: number, iterations: number, progress: number): void;
  /** Which backend computes, and why. */
  backend(line: string): void;
  /** Frames of the worker, and pictures of the page. */
  speed(worker: Rate, page: Rate): void;
}

export function makeToolbar(session: Session, extra: readonly HTMLElement[]): Toolbar {
  const run = button("Run", () => isEnabled(run) && (session.phase === "running" ? session.pause() : session.run()), {
    class: "lab-run",
  });
  const step = button("Step", () => isEnabled(step) && session.step());
  const again = button("Start again", () => session.restart(session.wanted));
  const status = make("p", { class: "lab-status", role: "status" }, "Starting …");
  const iteration = make("span", { class: "lab-iteration" });
  const bar = make("progress", { max: 1, value: 0, "aria-label": "Progress" });
  const speed = make("span", { class: "lab-speed" });
  const backend = make("span", { class: "lab-backend" });
  const remedy = make("span", {});
  const element = make(
    "section",
    { class: "lab-toolbar", "aria-label": "Training" },
    make("div", { class: "lab-buttons" }, run, step, again, ...extra),
    make("div", { class: "lab-progress" }, bar, iteration),
    make("div", { class: "lab-said" }, status, remedy, make("p", { class: "lab-note" }, backend, speed)),
  );
  return {
    element,
    show({ phase, text, remedy: cure }) {
      const runs = phase === "running" || phase === "pretraining" || phase === "starting";
      run.textContent = phase === "running" ? "Pause" : "Run";
      enable(run, phase !== "starting" && phase !== "pretraining");
      enable(step, !runs || phase === "running");
      if (status.textContent !== text) status.textContent = text;
      element.dataset["phase"] = phase;
      bar.value = session.progress;
      const focused = remedy.contains(document.activeElement);
      remedy.replaceChildren(
        ...(cure === "again" ? [button("Start again", () => session.restart(true))] : []),
        ...(cure === "wasm" ? [button("Go on with WASM", () => session.restart(true, "wasm"))] : []),
      );
      // Who went by keys to what is gone now finds the same beside it.
      if (focused) again.focus();
    },
    count(done, all, progress) {
      iteration.textContent = `Iteration ${done} of ${all}`;
      bar.value = progress;
    },
    backend(line) {
      backend.textContent = `Computed by ${line.replace(/, as it was asked for$/, "")}. `;
    },
    speed(worker, page) {
      speed.textContent =
        worker.rate > 0
          ? `${worker.rate.toFixed(0)} frames a second come from the worker; the page draws ${page.rate.toFixed(0)}, at most ${page.longest.toFixed(0)} ms apart.`
          : "";
    },
  };
}

/** A button that truly were disabled would lose the focus of one who goes by keys. */
function enable(one: HTMLButtonElement, is: boolean): void {
  one.setAttribute("aria-disabled", String(!is));
}

function isEnabled(one: HTMLButtonElement): boolean {
  return one.getAttribute("aria-disabled") !== "true";
}
