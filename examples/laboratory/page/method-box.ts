/** A contestant: its method, and all that can be moved of it. */
import { type Contestant, contestantRanges } from "../state";
import { button, make } from "./dom";
import { makeNumber, makeSelect } from "./inputs";
import { type ContestantSetting, currentValue, kinds, settings, titleOf, withMethod, withSetting } from "./settings";

export interface MethodBoxOptions {
  readonly letter: string;
  readonly contestant: Contestant;
  /** Another contestant, which trains anew. */
  readonly onChange: (contestant: Contestant) => void;
  /** A step size that moves while training runs. */
  readonly onRate: (contestant: Contestant, rate: "learningRate" | "fakeLearningRate", value: number) => void;
  /** Takes it away; there is none where it is the only one. */
  readonly onRemove?: (() => void) | undefined;
}

/** The first settings stand there; the others are behind a word. */
const always: readonly ContestantSetting[] = ["alpha", "divergence", "kappa1", "kappa2", "kappa4", "fakeUpdates"];

export function makeMethodBox(options: MethodBoxOptions): HTMLElement {
  const { letter, onChange, onRate, onRemove } = options;
  let { contestant } = options;
  const own = make("div", { class: "lab-settings" });
  const change = (next: Contestant) => {
    contestant = next;
    onChange(next);
  };

  function inputOf(name: ContestantSetting): HTMLElement | undefined {
    const value = currentValue(contestant, name);
    if (value === undefined) return undefined;
    const setting = settings[name];
    const { label, hint } = setting;
    if ("words" in setting)
      return makeSelect(
        { label, hint, value: String(value) },
        { "": setting.words.map((word) => [word, word]) },
        (word) => change(withSetting(contestant, name, word)),
      );
    return makeNumber({
      ...setting,
      value: Number(value),
      range: contestantRanges[name as keyof typeof contestantRanges],
      onChange(next) {
        if (name === "learningRate" || name === "fakeLearningRate") {
          contestant = withSetting(contestant, name, next);
          onRate(contestant, name, next);
        } else change(withSetting(contestant, name, next));
      },
    }).element;
  }

  function fill(): void {
    const names = Object.keys(settings) as ContestantSetting[];
    const inputs = (list: readonly ContestantSetting[]) => list.flatMap((name) => inputOf(name) ?? []);
    const more = inputs(names.filter((name) => !always.includes(name)));
    const opened = own.querySelector("details")?.open;
    own.replaceChildren(
      ...inputs(names.filter((name) => always.includes(name))),
      make(
        "details",
        { "data-fold": letter, open: opened },
        make("summary", {}, "Weight, step sizes, passes"),
        ...more,
      ),
    );
  }

  const methods = Object.entries(kinds).map(([kind, names]) => [
    kind,
    names.map((name) => [name, titleOf(name)] as const),
  ]);
  const select = makeSelect(
    { label: `Method ${letter}`, hidden: true, value: contestant.method },
    Object.fromEntries(methods),
    (name) => {
      change(withMethod(contestant, name as Contestant["method"]));
      fill();
    },
  );
  fill();
  return make(
    "fieldset",
    { class: "lab-method" },
    make("legend", {}, "Method ", make("span", { class: "lab-letter" }, letter)),
    select,
    own,
    ...(onRemove ? [button(`Remove method ${letter}`, onRemove)] : []),
  );
}
