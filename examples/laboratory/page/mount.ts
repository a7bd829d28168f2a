/// <reference types="vite/client" />
/** The page of the laboratory: what it is made of, and what goes from one to the other. */
import type { Mount } from "../../common/live";
import { planeMethods } from "../../plane/methods";
import type { Frame, Views } from "../protocol";
import { lawOf } from "../stage";
import { defaultState, type LabState } from "../state";
import { makeBackdrops } from "./backdrops";
import { type Card, fieldsExtent, makeCard, type Scene } from "./card";
import { makeFrameClock } from "./clock";
import { make } from "./dom";
import { levels, makeFilmstrip, timeOf } from "./filmstrip";
import { onTheme, paletteOf } from "./palette";
import { openSession } from "./session";
import css from "./style.css?inline";
import { makeToolbar } from "./toolbar";

/** Samples of each contestant that are shown. */
const sampleCount = 400;
/** Arrows along a side, of a field and of a small one. */
const across = { field: 15, level: 8 } as const;
/** Where less motion is wanted, milliseconds between two pictures. */
const calm = 1000;

export const mount: Mount = (element, { site }) => {
  const ended = new AbortController();
  const { signal } = ended;
  const less = matchMedia("(prefers-reduced-motion: reduce)");
  const smooth = () => !less.matches;
  const [frames, pictures] = [makeFrameClock(), makeFrameClock()];
  let state: LabState = defaultState;
  let cards: Card[] = [];
  let latest: Frame | undefined;
  let scene: Scene;

  const film = makeFilmstrip(() => session.look());
  const views = (): Views => ({
    samples: sampleCount,
    fields: [film.share, ...levels].map((share, i) => ({
      t: timeOf(state.process, share),
      class: scene.class,
      across: i === 0 ? across.field : across.level,
      extent: fieldsExtent,
    })),
  });
  const session = openSession({
    wasmPath: `${site}wasm/`,
    views,
    onStatus: (status) => toolbar.show(status),
    onBackend: () => {},
    onFrame: take,
    onReading: () => {},
    onIdentity: () => {},
  });
  const toolbar = makeToolbar(() => session, []);
  const stage = make("div", { class: "lab-cards" });
  element.replaceChildren(make("style", {}, css), make("div", { class: "lab" }, toolbar.element, stage, film.element));

  function open(next: LabState, run: boolean): void {
    state = next;
    const { contestants } = state;
    scene = {
      ...{ law: lawOf(state), class: 0, palette: paletteOf(stage), backdrops: makeBackdrops() },
      drawTerms: () => {},
    };
    cards = contestants.map((_, i) => makeCard("AB"[i] as string, smooth));
    for (const [i, { method }] of contestants.entries()) cards[i]?.title(planeMethods[method].title);
    stage.replaceChildren(...cards.map((card) => card.element));
    stage.classList.toggle("lab-two", cards.length > 1);
    film.open(state, scene.law);
    latest = undefined;
    session.open(state, run);
  }

  function take(frame: Frame): void {
    frames.tick(performance.now());
    const jump = latest === undefined;
    latest = frame;
    for (const [i, view] of frame.contenders.entries()) cards[i]?.take(view, scene, jump);
    toolbar.count(frame.iteration, state.iterations, session.progress);
    if (!document.hidden) film.take(frame.contenders, scene);
  }

  let before = performance.now();
  let handle = requestAnimationFrame(function draw(now) {
    handle = requestAnimationFrame(draw);
    if (!smooth() && now - before < calm) return;
    const moved = cards.map((card) => card.draw(now - before, scene));
    if (moved.includes(true)) pictures.tick(now);
    before = now;
  });
  const tell = setInterval(() => {
    const now = performance.now();
    const [worker, page] = [frames.reading(now), pictures.reading(now)];
    toolbar.speed(
      `worker ${worker.rate.toFixed(0)} frames/s, page ${page.rate.toFixed(0)} frames/s, longest ${page.longest.toFixed(0)} ms`,
    );
  }, 1000);
  const endTheme = onTheme(() => {
    scene = { ...scene, palette: paletteOf(stage) };
    for (const card of cards) card.touch();
    if (latest) take(latest);
  });
  addEventListener("resize", () => cards.forEach((card) => void card.touch()), { signal });
  open(defaultState, smooth());

  return () => {
    ended.abort();
    cancelAnimationFrame(handle);
    clearInterval(tell);
    endTheme();
    session.close();
    element.replaceChildren();
  };
};
