import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { afterAll, expect, onTestFinished, test, vi } from "vitest";
import { type Holder, thisProcess } from "../../../examples/common/holder";
import { lockFile, lockFolder } from "../../../examples/common/lock";

const root = mkdtempSync(join(tmpdir(), "sid-lsg-lock-"));
afterAll(() => rmSync(root, { recursive: true }));

function folder(): string {
  return mkdtempSync(join(root, "run-"));
}

/** A folder with a lock of this content. */
function locked(holder: Partial<Holder> | string): string {
  const place = folder();
  const content = typeof holder === "string" ? holder : JSON.stringify({ ...thisProcess(), ...holder });
  writeFileSync(join(place, lockFile), content);
  return place;
}

/** Locks a folder; what was printed. */
function take(place: string): string {
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  try {
    onTestFinished(lockFolder("out", place));
    return log.mock.calls.flat().join("\n");
  } finally {
    log.mockRestore();
  }
}

/** The number of a process that is no more. */
const dead = spawnSync(process.execPath, ["-e", ""]).pid;

test("a folder is taken once, and free again when it was given back", () => {
  const place = folder();
  const release = lockFolder("out", place);
  expect(JSON.parse(readFileSync(join(place, lockFile), "utf8"))).toMatchObject({ pid: process.pid, host: hostname() });
  expect(() => lockFolder("out", place)).toThrow(
    new RegExp(`^--out: .* is taken by process ${process.pid} on ${hostname()}, since 20.*Wait until it ends`),
  );
  release();
  expect(readdirSync(place)).toEqual([]);
  expect(take(place)).toBe("");
});

test("a lock of a dead process is taken over with a line", () => {
  const place = locked({ pid: dead });
  expect(take(place)).toMatch(new RegExp(`Took over .*run\\.lock, left by process ${dead}, which was killed\\.`));
  expect(JSON.parse(readFileSync(join(place, lockFile), "utf8")).pid).toBe(process.pid);
  expect(readdirSync(place)).toEqual([lockFile]);
});

test("what a dead process was writing goes with its lock", () => {
  const place = locked({ pid: dead });
  mkdirSync(join(place, "generator"));
  const temporary = `unet.safetensors.${crypto.randomUUID()}.tmp`;
  for (const name of ["mine.tmp", temporary, join("generator", temporary)]) writeFileSync(join(place, name), "x");
  take(place);
  expect(readdirSync(place, { recursive: true }).sort()).toEqual(["generator", "mine.tmp", lockFile]);
});

test("what is written in a folder within that has a lock of its own stays", () => {
  const place = locked({ pid: dead });
  const own = join(place, "shard");
  mkdirSync(own);
  onTestFinished(lockFolder("out", own));
  const temporary = `set.json.${crypto.randomUUID()}.tmp`;
  writeFileSync(join(own, temporary), "x");
  take(place);
  expect(readdirSync(own).sort()).toEqual([lockFile, temporary].sort());
});

test("a process that only has the number of the dead one holds nothing", () => {
  expect(take(locked({ began: "before the last start" }))).toMatch(/^Took over/);
});

test("a process that was killed and that nobody waited for holds nothing", async () => {
  // The shell becomes a program that never waits for the child it had.
  const node = JSON.stringify(process.execPath);
  const parent = spawn("sh", ["-c", `sleep 0 & echo $!; exec ${node} -e 'setTimeout(() => {}, 60000)'`]);
  onTestFinished(() => void parent.kill("SIGKILL"));
  const pid = Number(String((await once(parent.stdout, "data"))[0]));
  const fields = () => readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  await vi.waitFor(() => expect(fields()[0]).toBe("Z"));
  const began = `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()} ${fields()[19]}`;
  expect(take(locked({ pid, began }))).toMatch(/^Took over/);
});

test("a lock that nobody can judge from here is refused with the remedy", () => {
  for (const elsewhere of [{ host: "far-away" }, { space: "pid:[1]" }])
    expect(() => lockFolder("out", locked({ ...elsewhere, pid: dead }))).toThrow(
      /is taken by process \d+ on .*Whether it still runs cannot be seen from here: if it does not, remove .*run\.lock\./,
    );
});

test.each(["", "{", '{"pid":0,"host":"x"}'])("a lock of content %j, left half written, is taken over", (content) => {
  expect(take(locked(content))).toMatch(/left by a process that was killed\.$/);
});

test("a lock that another one took meanwhile is not removed", () => {
  const place = folder();
  const release = lockFolder("out", place);
  writeFileSync(join(place, lockFile), JSON.stringify(thisProcess()));
  release();
  expect(existsSync(join(place, lockFile))).toBe(true);
});

test("while one process takes a dead one's lock over, another waits for what comes of it", async () => {
  const place = locked({ pid: dead });
  const guard = join(place, `${lockFile}.takeover`);
  writeFileSync(guard, "");
  const { said, go } = contender(place);
  await go();
  await sleep(500);
  writeFileSync(join(place, lockFile), JSON.stringify(thisProcess()));
  rmSync(guard);
  expect(await said).toMatch(new RegExp(`is taken by process ${process.pid} `));
});

/** Another process that locks a folder when it is told to, and holds it longer than others need in order to ask. */
function contender(place: string) {
  const script = `
    import { lockFolder } from ${JSON.stringify(pathToFileURL(resolve("examples/common/lock.ts")).href)};
    process.stdout.write("ready ");
    process.stdin.once("data", () => {
      try {
        lockFolder("out", ${JSON.stringify(place)});
        process.stdout.write("mine");
        setTimeout(() => process.exit(), 3000);
      } catch (error) {
        process.stdout.write(error.message);
        process.exit();
      }
    });`;
  const loader = pathToFileURL(resolve("scripts/run-typescript.mjs")).href;
  const child = spawn(process.execPath, ["--import", loader, "--input-type=module", "-e", script]);
  let text = "";
  child.stdout.on("data", (data) => {
    text += data;
  });
  const ready = once(child.stdout, "data");
  const said = once(child, "close").then(() => text);
  return { said, ready, go: () => ready.then(() => void child.stdin.end("go")) };
}

test("of many processes that start at once, on a dead one's lock too, one gets the folder", async () => {
  for (const place of [folder(), locked({ pid: dead }), locked({ pid: dead })]) {
    const all = Array.from({ length: 6 }, () => contender(place));
    await Promise.all(all.map(({ ready }) => ready));
    for (const { go } of all) go();
    const said = await Promise.all(all.map(({ said }) => said));
    expect(said.filter((text) => text.endsWith("mine")).length, said.join("\n")).toBe(1);
    expect(said.filter((text) => /is taken by (another )?process/.test(text)).length, said.join("\n")).toBe(5);
    expect(readdirSync(place)).toEqual([]);
  }
});
