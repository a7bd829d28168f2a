/**
 * Measures the teacher in a process of its own: 151 passes per picture on a second core, while the
 * generator trains on the first. This file is both what starts the process and what runs in it.
 */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { useBackend } from "sid-lsg/backends";
import { type Progress, startProgress } from "../common/progress";
import { type Measuring, measure } from "./measure";
import { type TeacherMethods, teacherMethods } from "./methods";
import { makeText, makeUnet } from "./model-folder";
import type { JobOptions } from "./options";
import { prepareMeasuring } from "./prepare-measuring";
import { readTeacher } from "./read-teacher";
import type { Row, Rows } from "./report";
import { type GroupName, groupNames, type World } from "./world";

/** What the other process needs to read TypeScript. */
const execArgv = ["--import", new URL("../../scripts/run-typescript.mjs", import.meta.url).href];

/** One row to measure. */
interface Task {
  readonly method: keyof TeacherMethods;
  readonly group: GroupName;
}

/** The teacher's rows of the report. */
export type TeacherRows = Record<GroupName, Pick<Rows, Task["method"]>>;

/** A measurement that goes on elsewhere. */
export interface TeacherJob {
  /** Takes over what the other process has not begun, and gives the rows when all are there. */
  finish(measuring: Measuring, methods: TeacherMethods): Promise<TeacherRows>;
  /** Ends it early. */
  stop(): void;
}

/** Starts the process. The longest tasks come first. */
export function measureTeacher(world: World, options: JobOptions): TeacherJob {
  const tasks = (["teacher50Guided", "teacher50", "teacher1"] as const).flatMap((method) =>
    groupNames.map((group): Task => ({ method, group })),
  );
  const rows = { trained: {}, heldOut: {} } as TeacherRows;
  const all = tasks.length;
  let done = 0;
  let progress: Progress | undefined;
  const workThrough = async (work: (task: Task) => Promise<Row | undefined>) => {
    for (let task = tasks.shift(); task; task = tasks.shift()) {
      const row = await work(task);
      if (!row) return void tasks.unshift(task);
      rows[task.group][task.method] = row;
      done++;
      progress?.update(done);
    }
  };
  const child = fork(fileURLToPath(import.meta.url), [world.module, JSON.stringify(options)], {
    stdio: "inherit",
    execArgv,
  });
  const elsewhere = workThrough((task) => ask(child, task));
  return {
    async finish(measuring, methods) {
      const here = () => workThrough((task) => carryOut(task, measuring, methods));
      progress = startProgress("measuring the teacher", all);
      try {
        await here();
        await elsewhere;
        await here(); // what the other process left, if it ended early
      } finally {
        progress.finish();
      }
      return rows;
    },
    stop: () => void child.kill(),
  };
}

/** Has the other process do a task; undefined where that process is gone. */
function ask(child: ChildProcess, task: Task): Promise<Row | undefined> {
  return new Promise((resolve) => {
    const fail = () => resolve(undefined);
    child.once("exit", fail).once("error", fail);
    child.once("message", (row) => resolve(row as Row));
    child.send(task, (error) => error && fail());
  });
}

function carryOut({ method, group }: Task, measuring: Measuring, methods: TeacherMethods): Promise<Row> {
  return measure(measuring, measuring.groups[group], methods[method]);
}

/** The other process: does tasks until its parent ends. */
async function serve(module: string, { backend, arithmetic, captions, kappa, teacher }: JobOptions): Promise<void> {
  process.once("disconnect", () => process.exit());
  const { world }: { world: World } = await import(module);
  await useBackend(backend, { threads: 1, compile: true, ...arithmetic });
  const folder = await readTeacher(world, teacher);
  const networks = { unet: makeUnet(folder, "teacher"), text: makeText(folder, "text"), pictures: folder.pictures };
  const methods = teacherMethods(networks, kappa);
  const measuring = await prepareMeasuring(world, captions);
  // Node keeps messages that came before this.
  process.on("message", async (task) => {
    const row = await carryOut(task as Task, measuring, methods).catch(giveUp);
    process.send?.(row);
  });
}

/** Ends the other process with a plain message. */
function giveUp(error: unknown): never {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}

if (process.send && process.argv[1] === fileURLToPath(import.meta.url))
  await serve(process.argv[2] ?? "", JSON.parse(process.argv[3] ?? "")).catch(giveUp);
