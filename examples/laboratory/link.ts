/**
 * A state as the part of an address behind its #: `v=1&law=moons&seed=1&a=sid-lsg_alpha_1.2`, a name and a value in turn
 * behind each method. A drawing is `law=draw.…`: a stroke begins with its class, and each point is four letters of base64url.
 * What is looked at stands behind it where it is not as at first: `time=0.5`, a share of the time, and `class=1` or `none`.
 */
import { SidError } from "sid-lsg";
import { nearest } from "../common/nearest";
import type { PreparedLaw, Stroke } from "./laws";
import { defaultLook, type Look, lookClasses, lookRanges } from "./look";
import {
  type Contestant,
  checkNumber,
  checkState,
  checkWord,
  contestantRanges,
  contestantWords,
  defaultState,
  type LabState,
  stateRanges,
  stateWords,
} from "./state";

const version = "1";
const slots = ["a", "b"] as const;
const drawing = "draw.";

/** A state, and what of it is looked at. */
export interface Linked {
  readonly state: LabState;
  readonly look: Look;
}

/** The link of a state. */
export function toLink(state: LabState, look = defaultLook): string {
  const { contestants, law, ...rest } = state;
  const pairs: [string, string][] = [
    ["v", version],
    ["law", typeof law === "string" ? law : drawing + strokesText(law)],
    ...Object.entries(rest).map(([name, value]): [string, string] => [name, String(value)]),
    ...contestants.map((contestant, i): [string, string] => [slots[i] as string, contestantText(contestant)]),
    ...lookPairs(look),
  ];
  return new URLSearchParams(pairs).toString();
}

/** The state of a link, as `readLink` reads it. */
export function fromLink(text: string): LabState {
  return readLink(text).state;
}

/**
 * What a link holds, with or without its #; what it leaves out is as in `defaultState` and `defaultLook`.
 *
 * @throws SidError `invalid-argument` or `out-of-range`, in words for the reader, for a link that is damaged, of another version, or asks for what cannot be.
 */
export function readLink(text: string): Linked {
  const pairs = [...new URLSearchParams(text.replace(/^#/, ""))];
  const link = new Map(pairs);
  if (link.size < pairs.length) throw damaged("a name stands there twice");
  const said = link.get("v");
  if (said === undefined) throw damaged("it does not say its version");
  if (said !== version)
    throw new SidError(
      "invalid-argument",
      `This link is of version ${said} of the laboratory, and this one reads version ${version}: reload the page, or open the laboratory that the link is from.`,
    );
  const numbers = Object.keys(stateRanges);
  const words = Object.keys(stateWords);
  checkNames([...link.keys()], ["v", "law", ...numbers, ...words, ...slots, ...Object.keys(defaultLook)]);
  const read: Record<string, unknown> = {};
  for (const name of numbers) if (link.has(name)) read[name] = numberOf(name, link.get(name) as string);
  for (const name of words) if (link.has(name)) read[name] = link.get(name);
  const law = link.get("law");
  if (law !== undefined)
    read["law"] = law.startsWith(drawing) ? strokesOf(law.slice(drawing.length)) : (law as PreparedLaw);
  const contestants = slots.flatMap((slot) => {
    const own = link.get(slot);
    return own === undefined ? [] : [contestantOf(own)];
  });
  const state = checkState({ ...defaultState, ...read, ...(contestants.length > 0 && { contestants }) });
  return { state, look: lookOf(link) };
}

/** What of a look differs from the first. */
function lookPairs(look: Look): [string, string][] {
  const pairs: [string, string][] = [];
  if (look.time !== defaultLook.time) pairs.push(["time", String(look.time)]);
  if (look.class !== defaultLook.class) pairs.push(["class", String(look.class ?? "none")]);
  return pairs;
}

function lookOf(link: ReadonlyMap<string, string>): Look {
  const [time, named] = [link.get("time"), link.get("class")];
  const look = { ...defaultLook, ...(time !== undefined && { time: numberOf("time", time) }) };
  checkNumber("time", look.time, lookRanges.time);
  if (named === undefined) return look;
  checkWord("class", named, Object.keys(lookClasses));
  return { ...look, class: lookClasses[named as keyof typeof lookClasses] };
}

function damaged(how: string): SidError {
  return new SidError("invalid-argument", `This link is damaged: ${how}.`);
}

function checkNames(names: readonly string[], known: readonly string[]): void {
  const unknown = names.find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const like = nearest(unknown, known);
  throw damaged(`it has a "${unknown}"${like ? `; is ${like} meant?` : ", which nobody knows"}`);
}

function numberOf(name: string, text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!Number.isFinite(value)) throw damaged(`${name} is "${text}", which is no number`);
  return value + 0; // −0 is 0
}

function contestantText({ method, ...settings }: Contestant): string {
  const set = Object.entries(settings).filter(([, value]) => value !== undefined);
  return [method, ...set.flatMap(([name, value]) => [name, String(value)])].join("_");
}

function contestantOf(text: string): Contestant {
  const [method, ...rest] = text.split("_");
  const numbers = Object.keys(contestantRanges);
  const read: Record<string, unknown> = { method };
  for (let i = 0; i < rest.length; i += 2) {
    const [name, value] = [rest[i] as string, rest[i + 1]];
    checkNames([name], [...numbers, ...Object.keys(contestantWords)]);
    if (value === undefined) throw damaged(`${name} has no value`);
    if (Object.hasOwn(read, name)) throw damaged(`${name} stands there twice`);
    read[name] = numbers.includes(name) ? numberOf(name, value) : value;
  }
  return read as unknown as Contestant;
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

function strokesText(strokes: readonly Stroke[]): string {
  const coordinate = (u: number) => `${letters[u >> 6]}${letters[u & 63]}`;
  return strokes.map(({ class: c, points }) => `${c}${points.flat().map(coordinate).join("")}`).join(".");
}

function strokesOf(text: string): Stroke[] {
  return text.split(".").map((stroke): Stroke => {
    const [c = "", ...rest] = stroke;
    const digits = rest.map((letter) => letters.indexOf(letter));
    if (!/^[01]$/.test(c) || digits.includes(-1) || digits.length % 4 !== 0)
      throw damaged("its drawing is cut off or holds what is no drawing");
    const coordinate = (at: number) => (digits[at] as number) * 64 + (digits[at + 1] as number);
    const points = Array.from(
      { length: digits.length / 4 },
      (_, i) => [coordinate(4 * i), coordinate(4 * i + 2)] as const,
    );
    return { class: c === "0" ? 0 : 1, points };
  });
}
