/// <reference types="vite/client" />
/** The page of the laboratory: what it is made of, and what goes from one part to the other. */
import type { Mount } from "../../common/live";
import type { Law } from "../../plane/law";
import { readLink, toLink } from "../link";
import { defaultLook, type Look } from "../look";
import type { Frame, Views } from "../protocol";
import { lawOf } from "../stage";
import { type Contestant, checkState, defaultState, type LabState } from "../state";
import { makeBackdrops } from "./backdrops";
import { type Card, fieldsExtent, makeCard, type Scene } from "./card";
import { makeFrameClock } from "./clock";
import { makeControls } from "./controls";
import { button, make } from "./dom";
import { makeExperiments } from "./experiments-list";
import { levels, makeFilmstrip, timeOf } from "./filmstrip";
import { makeChoice } from "./inputs";
import { startLoop } from "./loop";
import { onTheme, paletteOf } from "./palette";
import { makeReadout } from "./readout";
import { openSession } from "./session";
import { makeShare } from "./share";
import css from "./style.css?inline";
import { makeToolbar } from "./toolbar";

/** Samples of each contestant that are shown. */
const sampleCount = 400;
/** Samples on which the terms of the equation are drawn. */
const arrowCount = 6;
/** Arrows along a side, of a field and of a small one. */
const across = { field: 15, level: 8 } as const;

export const mount: Mount = (element, { site }) => {
  const ended = new AbortController();
  const { signal } = ended;
  const less = matchMedia("(prefers-reduced-motion: reduce)");
  const smooth = () => !less.matches;
  const frames = makeFrameClock();
  const backdrops = makeBackdrops();
  let state = defaultState;
  let cards: Card[] = [];
  let latest: Frame | undefined;
  let shownClass = defaultLook.class;
  /** Frames that may be the answer to what the reader asked for: one may be under way already. */
  let answers = 0;
  let telling: ReturnType<typeof setTimeout> | undefined;
  let scene: Scene;

  const stage = make("div", { class: "lab-cards" });
  const notice = make("div", { class: "lab-notice", role: "alert" });
  const classes = make("div", { class: "lab-classes" });
  const film = makeFilmstrip(() => {
    look();
    tellAddressSoon();
  });
  const readout = makeReadout((i) => session.identity(i, timeOf(state.process, film.share)));
  const link = () => toLink(state, { time: film.share, class: shownClass });
  const share = makeShare(link);
  const session = openSession({
    wasmPath: `${site}wasm/`,
    views,
    onStatus(status) {
      toolbar.show(status);
      share.moved(session.moved);
    },
    onBackend(line, backend) {
      toolbar.backend(line);
      controls.backend(backend);
    },
    onFrame: take,
    onReading: readout.takeReading,
    onIdentity: readout.takeIdentity,
  });
  const toSettings = button("Settings ↓", () => controls.element.scrollIntoView(), { class: "lab-to-settings" });
  const toolbar = makeToolbar(session, [share.copyLink, toSettings]);
  const list = makeExperiments((next) => {
    become(next, true);
    controls.show(next);
  });
  const controls = makeControls({
    colour: () => scene.palette.law,
    onState: (next) => allowed(next) && become(next, goesOn()),
    onRate(next, contender, rate, value) {
      if (!allowed(next)) return;
      if (!session.movable) {
        become(next, goesOn());
        return;
      }
      state = next;
      session.remember(next);
      session.rate(contender, rate, value);
      cards[contender]?.name(next.contestants[contender] as Contestant);
      share.moved(true);
      tellAround();
      tellAddressSoon();
    },
    onBackend: (backend) => session.restart(goesOn(), backend),
  });
  const main = make("div", { class: "lab-main" }, toolbar.element, stage, film.element, readout.element, share.element);
  film.element.prepend(classes);
  const root = make(
    "div",
    { class: "lab" },
    notice,
    list.element,
    make("div", { class: "lab-body" }, main, controls.element),
  );
  element.replaceChildren(make("style", {}, css), root);

  function views(): Views {
    const fields = [film.share, ...levels].map((share, i) => ({
      t: timeOf(state.process, share),
      class: shownClass,
      across: i === 0 ? across.field : across.level,
      extent: fieldsExtent,
    }));
    const t = timeOf(state.process, film.share);
    const terms = { t, class: shownClass ?? 0, count: arrowCount, seed: state.seed };
    return { samples: sampleCount, fields, ...(cards.some(({ pointed }) => pointed) && { terms }) };
  }

  /** Whether what is set next shall train: what is over has been looked at, and what was paused is left so. */
  function goesOn(): boolean {
    return session.wanted || session.phase === "done";
  }

  function look(): void {
    answers = 2;
    loop.hasten();
    session.look();
  }

  /** Whether a state can be; if not says so, and all stays as it is. */
  function allowed(next: LabState): boolean {
    try {
      checkState(next);
      return true;
    } catch (error) {
      controls.show(state);
      notice.replaceChildren(make("p", {}, wordsOf(error)));
      return false;
    }
  }

  /** Shows a state and trains it. */
  function become(next: LabState, run: boolean): void {
    state = next;
    const law = lawOf(state);
    const { contestants } = state;
    shownClass = classWithin(law, shownClass);
    scene = { law, class: shownClass, palette: paletteOf(root), backdrops };
    cards = contestants.map((contestant, i) =>
      makeCard({ letter: "AB"[i] as string, contestant, site, smooth, onPoint: look }),
    );
    stage.replaceChildren(...cards.map((card) => card.element));
    root.classList.toggle("lab-two", cards.length > 1);
    film.open(state);
    readout.open(state);
    latest = undefined;
    showClasses();
    tellAround();
    tellAddress();
    session.open(state, run);
  }

  /** Has the list and the program say what is shown. */
  function tellAround(): void {
    notice.replaceChildren();
    list.show(state);
    share.show(state);
  }

  /** Has the address say what is shown. */
  function tellAddress(): void {
    clearTimeout(telling);
    const hash = `#${link()}`;
    if (hash !== `#${toLink(defaultState)}` || location.hash !== "") history.replaceState(history.state, "", hash);
  }

  /** Browsers stop those who write the address at every move of a slider. */
  function tellAddressSoon(): void {
    clearTimeout(telling);
    telling = setTimeout(tellAddress, 300);
  }

  function showClasses(): void {
    const choices = [
      ["0", "● first"],
      ...(classCount(scene.law) > 1 ? [["1", "○ second"] as const] : []),
      ["all", "none told"],
    ] as const;
    classes.replaceChildren(
      makeChoice(
        { legend: "Class of the fields", value: shownClass === undefined ? "all" : `${shownClass}` },
        choices,
        (value) => {
          shownClass = value === "all" ? undefined : Number(value);
          scene = { ...scene, class: shownClass };
          look();
          tellAddress();
        },
      ),
    );
  }

  function take(frame: Frame): void {
    frames.tick(performance.now());
    if (latest && frame.iteration < latest.iteration) {
      readout.open(state); // it began again
      latest = undefined;
    }
    const jump = latest === undefined;
    latest = frame;
    for (const [i, view] of frame.contenders.entries()) cards[i]?.take(view, scene, jump);
    toolbar.count(frame.iteration, state.iterations, session.progress);
    readout.takeFrame(frame);
    film.take(frame.contenders);
    if (answers > 0 || session.phase !== "running") loop.hasten();
    answers = Math.max(0, answers - 1);
  }

  /** Looks at the state that is there as a link says. */
  function lookAs(wanted: Look): void {
    film.choose(wanted.time);
    shownClass = classWithin(scene.law, wanted.class);
    scene = { ...scene, class: shownClass };
    showClasses();
    look();
    tellAddress();
  }

  /** Takes the state of the address; where there is none that can be, says so and takes the first. */
  function takeAddress(): void {
    if (location.hash.length > 1 && location.hash.includes("=")) {
      try {
        const { state: next, look: wanted } = readLink(location.hash);
        if (latest && toLink(next) === toLink(state)) {
          lookAs(wanted);
          return;
        }
        film.choose(wanted.time);
        shownClass = wanted.class;
        become(next, smooth());
        controls.show(next);
        return;
      } catch (error) {
        const hash = location.hash;
        history.replaceState(history.state, "", location.pathname + location.search);
        become(defaultState, false);
        controls.show(defaultState);
        notice.replaceChildren(
          make("p", {}, wordsOf(error)),
          make(
            "p",
            { class: "lab-note" },
            `The address asked for ${hash.slice(0, 200)}. The laboratory stands at its first state instead.`,
          ),
          button("Go on with it", () => {
            notice.replaceChildren();
            session.run();
          }),
        );
        return;
      }
    }
    become(defaultState, smooth());
    controls.show(defaultState);
  }

  const loop = startLoop({
    calm: () => !smooth(),
    draw(milliseconds) {
      const moved = cards.map((card) => card.draw(milliseconds, scene));
      film.draw(scene);
      readout.draw(scene.palette);
      return moved.includes(true);
    },
  });
  const speed = setInterval(() => {
    const now = performance.now();
    toolbar.speed(frames.reading(now), loop.clock.reading(now));
  }, 1000);
  const again = () => {
    readout.redraw();
    for (const card of cards) card.touch();
    loop.hasten();
  };
  const endTheme = onTheme(() => {
    scene = { ...scene, palette: paletteOf(root) };
    controls.recolour();
    if (latest) take(latest);
    again();
  });
  addEventListener("resize", again, { signal });
  document.addEventListener("visibilitychange", again, { signal });
  // What leads to a place on the page has no state in it.
  addEventListener("hashchange", () => location.hash.includes("=") && takeAddress(), { signal });
  takeAddress();

  return () => {
    ended.abort();
    loop.end();
    clearInterval(speed);
    clearTimeout(telling);
    endTheme();
    session.close();
    element.replaceChildren();
  };
};

function classCount({ classes }: Law): number {
  return new Set(classes).size;
}

/** A class that the law has: where it lacks the one that is asked for, the first. */
function classWithin(law: Law, c: number | undefined): number | undefined {
  return c !== undefined && c >= classCount(law) ? 0 : c;
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
