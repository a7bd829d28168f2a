import { columns, endLine, isLive, renewLine, say } from "./terminal";

/** What is shown by which name: three digits of a number, or a text. */
export type Figures = Readonly<Record<string, number | string | undefined>>;

/** Shows how far a long job is: one line that renews itself, or plain lines now and then when the output is no terminal. */
export interface Progress {
  /** `done` of the total, with figures worth watching. */
  update(done: number, figures?: Figures): void;
  /** Ends the line. */
  finish(): void;
}

const barWidth = 24;
/** Plain lines come at each tenth of the job, and after this long at the latest. */
const secondsOfSilence = 60;

/** Opens a progress line of `total` steps. The first update counts as one step, wherever it is: a resumed job starts late. */
export function startProgress(title: string, total: number): Progress {
  const began = performance.now();
  const live = isLive();
  let start: number | undefined;
  let printed = { done: 0, seconds: 0 };
  return {
    update(done, figures = {}) {
      const seconds = (performance.now() - began) / 1000;
      if (start === undefined) {
        start = done - 1;
        printed = { done: start, seconds: 0 };
      }
      const left = (seconds / (done - start)) * (total - done);
      const time = done < total ? `${duration(left)} left` : duration(seconds);
      const line = (width: number) => progressLine({ title, done, total, time, figures }, width);
      // One column stays free: a full line would wrap in some terminals.
      if (live) renewLine(line(columns() - 1));
      else if (isDue(done, seconds)) {
        say(line(Number.POSITIVE_INFINITY));
        printed = { done, seconds };
      }
    },
    finish: endLine,
  };

  function isDue(done: number, seconds: number): boolean {
    return done === total || (done - printed.done) / total >= 0.1 || seconds - printed.seconds >= secondsOfSilence;
  }
}

/** What a progress line says. */
export interface ProgressState {
  readonly title: string;
  readonly done: number;
  readonly total: number;
  readonly time: string;
  readonly figures: Figures;
}

/** The most that `width` characters can say: figures leave first, then the bar, the title, the time. */
export function progressLine({ title, done, total, time, figures }: ProgressState, width: number): string {
  const count = `${done}/${total}`;
  const values = Object.entries(figures).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name} ${typeof value === "number" ? Number(value.toPrecision(3)) : value}`],
  );
  const head = [`${title}  ${bar(done / total)} ${count}`, time];
  const shorter = [[`${title} ${count}`, time], [count, time], [count]];
  const candidates = [...values.map((_, i) => [...head, ...values.slice(0, values.length - i)]), head, ...shorter];
  const lines = candidates.map((parts) => parts.join("  "));
  return lines.find((line) => line.length <= width) ?? "";
}

/** `1:05` for 65 seconds. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function bar(share: number): string {
  const full = Math.round(barWidth * Math.min(1, Math.max(0, share)));
  return `[${"#".repeat(full)}${".".repeat(barWidth - full)}]`;
}
