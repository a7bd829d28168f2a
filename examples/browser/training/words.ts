/** What the page says of numbers and failures. */
import type { Report } from "./protocol";

export const inIterations = (count: number) => `${count} ${count === 1 ? "iteration" : "iterations"}`;

const deadEnds: Readonly<Record<string, string>> = {
  "checkpoint-mismatch": "This run was saved by another version of this page: delete it to begin anew.",
  "corrupt-file": "What was stored of this run is damaged: delete it to begin anew.",
};

const words: Readonly<Record<string, string>> = {
  "device-lost": "The GPU was lost: the system took it away, or its driver failed.",
  "out-of-memory": "There is not enough memory.",
  "missing-backend": "The backend cannot be started: “?backend=wasm” at the end of the address takes another one.",
};

/** Whether “Resume” would only meet this again. */
export function isDeadEnd(code: string | undefined): boolean {
  return code !== undefined && code in deadEnds;
}

/** What failed, in words for a reader of the page. */
export function failureOf({ message, code }: Pick<Extract<Report, { kind: "failed" }>, "message" | "code">): string {
  if (code === undefined) return message;
  return deadEnds[code] ?? `${words[code] ?? ""} ${message} (${code})`.trim();
}
