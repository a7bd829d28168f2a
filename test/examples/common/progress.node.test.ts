import { afterEach, expect, onTestFinished, test, vi } from "vitest";
import { progressLine, startProgress } from "../../../examples/common/progress";
import { say } from "../../../examples/common/terminal";

const state = {
  title: "distilling",
  done: 7,
  total: 160,
  time: "1:05 left",
  figures: { KL: "≥ 1.31 ± 0.08 nats", "fake loss": 25.61 },
};

test.each([
  [200, "distilling  [#.......................] 7/160  1:05 left  KL ≥ 1.31 ± 0.08 nats  fake loss 25.6"],
  [80, "distilling  [#.......................] 7/160  1:05 left  KL ≥ 1.31 ± 0.08 nats"],
  [60, "distilling  [#.......................] 7/160  1:05 left"],
  [40, "distilling 7/160  1:05 left"],
  [19, "7/160  1:05 left"],
  [10, "7/160"],
  [3, ""],
])("a line of %i characters says what matters most", (width, line) => {
  expect(progressLine(state, width)).toBe(line);
});

afterEach(() => {
  vi.unstubAllEnvs();
  vi.useRealTimers();
});

/** What a job of `total` steps prints on such an output. */
function printed(stream: { isTTY?: boolean; columns?: number | undefined }, job: () => void): string {
  let text = "";
  const write = vi.spyOn(process.stdout, "write").mockImplementation((chunk) => {
    text += chunk;
    return true;
  });
  const log = vi.spyOn(console, "log").mockImplementation((line) => {
    text += `${line}\n`;
  });
  const before = Object.entries(stream).map(
    ([key]) => [key, Object.getOwnPropertyDescriptor(process.stdout, key)] as const,
  );
  for (const [key, value] of Object.entries(stream))
    Object.defineProperty(process.stdout, key, { value, configurable: true, writable: true });
  onTestFinished(() => {
    for (const [key, old] of before)
      if (old) Object.defineProperty(process.stdout, key, old);
      else Reflect.deleteProperty(process.stdout, key);
  });
  try {
    job();
  } finally {
    write.mockRestore();
    log.mockRestore();
  }
  return text;
}

const job = (total: number) => () => {
  const progress = startProgress("distilling", total);
  for (let i = 1; i <= total; i++) progress.update(i, { loss: 1 });
  progress.finish();
};

test.each([0, undefined, 20, 80])("a terminal that is %s columns wide shows how far the job is", (columns) => {
  vi.stubEnv("TERM", "xterm");
  const lines = printed({ isTTY: true, columns }, job(3)).split("\r\x1b[2K").slice(1);
  expect(lines.map((line) => line.match(/\d\/3/)?.[0])).toEqual(["1/3", "2/3", "3/3"]);
  expect(Math.max(...lines.map((line) => line.trimEnd().length))).toBeLessThan(columns || 80);
  expect(lines.at(-1)?.endsWith("\n")).toBe(true);
});

test.each([
  [{ isTTY: false }, "xterm"],
  [{ isTTY: true, columns: 80 }, "dumb"],
])("an output that is no live terminal (%j, TERM %s) gets lines, one per tenth", (stream, term) => {
  vi.stubEnv("TERM", term);
  const text = printed(stream, job(1000));
  for (const control of ["\r", "\x1b"]) expect(text).not.toContain(control);
  expect(
    text
      .trim()
      .split("\n")
      .map((line) => line.match(/\d+\/1000/)?.[0]),
  ).toEqual(Array.from({ length: 10 }, (_, i) => `${100 * (i + 1)}/1000`));
});

test("a long job tells of itself each minute", () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  const text = printed({ isTTY: false }, () => {
    const progress = startProgress("distilling", 20_000);
    for (let i = 1; i <= 20; i++) {
      vi.advanceTimersByTime(20_000);
      progress.update(i);
    }
  });
  expect(text.match(/\d+\/20000/g)).toEqual(["3/20000", "6/20000", "9/20000", "12/20000", "15/20000", "18/20000"]);
});

test("a line said meanwhile does not run into the open one", () => {
  vi.stubEnv("TERM", "xterm");
  const text = printed({ isTTY: true, columns: 80 }, () => {
    startProgress("distilling", 3).update(1);
    say("Ctrl-C");
    say("Stopped");
  });
  expect(text).toMatch(/1\/3 [^\n]*\nCtrl-C\nStopped\n$/);
});
