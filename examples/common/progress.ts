/** Shows how far a long job is: one line that renews itself, or plain lines now and then when the output is no terminal. */
export interface Progress {
  /** `done` of the total, with figures worth watching. */
  update(done: number, figures?: Readonly<Record<string, number | undefined>>): void;
  /** Ends the line. */
  finish(): void;
}

const barWidth = 24;

/** Opens a progress line of `total` steps. The first update counts as one step, wherever it is: a resumed job starts late. */
export function startProgress(title: string, total: number): Progress {
  const began = performance.now();
  const live = process.stdout.isTTY === true;
  let start: number | undefined;
  let printed = 0;
  return {
    update(done, figures = {}) {
      if (start === undefined) start = printed = done - 1;
      const seconds = (performance.now() - began) / 1000;
      const left = (seconds / (done - start)) * (total - done);
      const text = [
        `${title}  ${bar(done / total)} ${done}/${total}`,
        done < total ? `${duration(left)} left` : `${duration(seconds)}`,
        ...Object.entries(figures).flatMap(([name, value]) =>
          value === undefined ? [] : [`${name} ${Number(value.toPrecision(3))}`],
        ),
      ].join("  ");
      if (live) process.stdout.write(`\r\x1b[2K${text.slice(0, process.stdout.columns)}`);
      else if (done === total || (done - printed) / total >= 0.1) {
        console.log(text);
        printed = done;
      }
    },
    finish() {
      if (live && start !== undefined) process.stdout.write("\n");
    },
  };
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
