/** The prepared experiments, to be tried by a press. */
import { experiments } from "../experiments";
import { toLink } from "../link";
import type { LabState } from "../state";
import { button, make } from "./dom";

export interface ExperimentsList {
  readonly element: HTMLElement;
  /** Marks the experiment that a state is, and says what it shows. */
  show(state: LabState): void;
}

export function makeExperiments(onState: (state: LabState) => void): ExperimentsList {
  const text = make("p", { class: "lab-experiment" });
  const all = Object.values(experiments).map(({ title, text: words, state }) => ({
    link: toLink(state),
    words,
    press: button(title, () => onState(state), { "aria-pressed": "false" }),
  }));
  const element = make(
    "section",
    { class: "lab-experiments", "aria-label": "Experiments to try" },
    make("h2", {}, "Try"),
    make("div", {}, ...all.map(({ press }) => press)),
    text,
  );
  return {
    element,
    show(state) {
      const link = toLink(state);
      for (const { press, link: own } of all) press.setAttribute("aria-pressed", String(own === link));
      text.textContent = all.find(({ link: own }) => own === link)?.words ?? "";
    },
  };
}
