import { EventEmitter } from "node:events";
import { expect, test, vi } from "vitest";
import { world } from "../../../examples/digits/world";
import type { Measuring } from "../../../examples/text-to-image/measure";
import { measureTeacher } from "../../../examples/text-to-image/measure-teacher";
import type { TeacherMethods } from "../../../examples/text-to-image/methods";
import { type JobOptions, parseOptions } from "../../../examples/text-to-image/options";

type Answer = (error: Error | null) => void;
const fork = vi.hoisted(() => vi.fn());
vi.mock("node:child_process", () => ({ fork }));
vi.mock("../../../examples/text-to-image/measure", () => ({ measure: async () => "measured here" }));
vi.spyOn(console, "log").mockImplementation(() => {});

/** A process that does some tasks and fails at the next. */
const failing = (done: number, fail: (child: EventEmitter, answer: Answer) => void) => {
  let asked = 0;
  const child = new EventEmitter();
  const send = (_task: object, answer: Answer) =>
    setImmediate(() => (asked++ < done ? child.emit("message", "measured there") : fail(child, answer)));
  return Object.assign(child, { send, kill: () => true });
};

test.each([
  ["ends", (child: EventEmitter) => child.emit("exit", null, "SIGKILL")],
  ["reports an error", (child: EventEmitter) => child.emit("error", new Error("EAGAIN"))],
  ["cannot be reached", (_: EventEmitter, answer: Answer) => answer(new Error("ERR_IPC_CHANNEL_CLOSED"))],
])("all rows come though the process that measures the teacher %s", async (_, fail) => {
  for (const done of [0, 1]) {
    fork.mockReturnValue(failing(done, fail));
    const job = measureTeacher(world, parseOptions(world, []) as JobOptions);
    // With 0 it fails when all other tasks are taken, with 1 before.
    if (done > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    const rows = await job.finish({ groups: {} } as Measuring, {} as TeacherMethods);
    const all = [...Object.values(rows.trained), ...Object.values(rows.heldOut)] as unknown[];
    expect(all.length).toBe(6);
    expect(all.filter((row) => row === "measured there").length).toBe(done);
  }
});
