/** All that the reader can set, for a state. */
import { type BackendChoice, backendChoices } from "../../browser/protocol";
import { type LabState, stateRanges } from "../state";
import { button, make } from "./dom";
import { makeChoice, makeNumber, makeSelect } from "./inputs";
import { type Drawing, type LawPicker, makeLawPicker } from "./law-picker";
import { makeMethodBox } from "./method-box";

export interface ControlsOptions {
  /** The colour of laws. */
  readonly colour: () => string;
  /** Another state, which trains anew. */
  readonly onState: (state: LabState) => void;
  /** A state that differs by a step size, which moves while training runs. */
  readonly onRate: (
    state: LabState,
    contender: number,
    rate: "learningRate" | "fakeLearningRate",
    value: number,
  ) => void;
  readonly onBackend: (backend: BackendChoice) => void;
}

export interface Controls {
  readonly element: HTMLElement;
  /** Shows a state that did not come from here. */
  show(state: LabState): void;
  /** Shows which backend was chosen, where it was not chosen here. */
  backend(choice: BackendChoice): void;
  /** Has all that is drawn in the colour of laws drawn anew. */
  recolour(): void;
}

const backendNames: Readonly<Record<BackendChoice, string>> = {
  auto: "the fastest",
  webgpu: "WebGPU",
  webgl: "WebGL",
  wasm: "WebAssembly",
  cpu: "JavaScript",
};

const numbers = {
  seed: { label: "Seed", hint: "All randomness comes from it.", least: 0, most: 100, step: 1 },
  batch: { label: "Batch", hint: "Samples of an iteration.", least: 16, most: 1024, step: 16 },
  iterations: { label: "Iterations", hint: "Step sizes fall to 0 by the last.", least: 50, most: 2000, step: 50 },
  pretraining: { label: "Pretraining", hint: "Steps of the network all start from.", least: 50, most: 2000, step: 50 },
} as const;

export function makeControls({ colour, onState, onRate, onBackend }: ControlsOptions): Controls {
  const element = make("form", { class: "lab-controls", "aria-label": "What is trained" });
  element.addEventListener("submit", (event) => event.preventDefault());
  const backend = makeSelect(
    { label: "Computes with", value: "wasm", hint: "Networks so small are fastest on WebAssembly." },
    { "": backendChoices.filter((name) => name !== "auto").map((name) => [name, backendNames[name]]) },
    (name) => onBackend(name as BackendChoice),
  );
  let state: LabState;
  let picker: LawPicker | undefined;
  const drawing: Drawing = { strokes: [] };
  const change = (changes: Partial<LabState>) => {
    state = { ...state, ...changes };
    onState(state);
  };

  /** What was pressed is gone by then: the focus goes to the last method, or to what adds one. */
  function contestantsAre(contestants: LabState["contestants"]): void {
    change({ contestants });
    show(state);
    const place = contestants.length > 1 ? ".lab-method:last-of-type select" : ".lab-add";
    element.querySelector<HTMLElement>(place)?.focus();
  }

  function boxOf(i: number): HTMLElement {
    const others = state.contestants.filter((_, k) => k !== i);
    const withOne = (contestant: (typeof others)[number]) =>
      state.contestants.map((one, k) => (k === i ? contestant : one));
    return makeMethodBox({
      letter: "AB"[i] as string,
      contestant: state.contestants[i] as (typeof others)[number],
      onChange: (contestant) => change({ contestants: withOne(contestant) }),
      onRate(contestant, rate, value) {
        state = { ...state, contestants: withOne(contestant) };
        onRate(state, i, rate, value);
      },
      onRemove: others.length > 0 ? () => contestantsAre(others) : undefined,
    });
  }

  function show(next: LabState): void {
    state = next;
    const more = (Object.keys(numbers) as (keyof typeof numbers)[]).map(
      (name) =>
        makeNumber({
          ...numbers[name],
          value: state[name],
          range: stateRanges[name],
          onChange: (value) => change({ [name]: value }),
        }).element,
    );
    const run = make(
      "details",
      { "data-fold": "run" },
      make("summary", {}, "Seed, batch, iterations, backend"),
      ...more,
      backend,
    );
    picker = makeLawPicker(state, colour(), drawing, (law) => change({ law }));
    refill(element, [
      picker.element,
      makeChoice(
        { legend: "Teacher", value: state.teacher },
        [
          ["exact", "exact score"],
          ["trained", "a network"],
        ],
        (teacher) => change({ teacher }),
      ),
      makeChoice(
        { legend: "Process", value: state.process },
        [
          ["ddpm", "diffusion"],
          ["flow", "flow"],
        ],
        (process) => change({ process }),
      ),
      ...state.contestants.map((_, i) => boxOf(i)),
      ...(state.contestants.length < 2
        ? [
            button("Compare with a second method", () => contestantsAre([...state.contestants, ...state.contestants]), {
              class: "lab-add",
            }),
          ]
        : []),
      run,
    ]);
  }

  return {
    ...{ element, show },
    backend(choice) {
      (backend.querySelector("select") as HTMLSelectElement).value = choice;
    },
    recolour: () => picker?.recolour(colour()),
  };
}

/** Puts others in the place of all that an element holds; folds stay open, and the focus stays at the same place. */
function refill(element: HTMLElement, children: readonly HTMLElement[]): void {
  const stops = () => [...element.querySelectorAll<HTMLElement>("input, select, button, summary")];
  const folds = () => [...element.querySelectorAll<HTMLDetailsElement>("details[data-fold]")];
  const at = stops().indexOf(document.activeElement as HTMLElement);
  const open = folds().flatMap((fold) => (fold.open ? [fold.dataset["fold"]] : []));
  element.replaceChildren(...children);
  for (const fold of folds()) fold.open = open.includes(fold.dataset["fold"]);
  if (at >= 0) stops()[at]?.focus();
}
