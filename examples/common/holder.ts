import { execFileSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/** A process that holds a lock, and what tells it from those that will have its number. */
export interface Holder {
  readonly pid: number;
  readonly host: string;
  /** Among the containers of a host each counts processes for itself; empty where there are none. */
  readonly space: string;
  /** When the process began; empty where the system does not say. */
  readonly began: string;
  /** When it took the lock. */
  readonly since: string;
  readonly token: string;
}

/** This process. */
export function thisProcess(): Holder {
  const { pid } = process;
  const since = new Date().toISOString();
  return { pid, host: hostname(), space: space(), began: beginOf(pid) ?? "", since, token: crypto.randomUUID() };
}

/** Whether a process, if it is, could be seen from here. */
export function isHere({ host, space: its }: Holder): boolean {
  return host === hostname() && its === space();
}

/** Whether a process is known to be no more. Its number may have gone to another one by now. */
export function isGone(holder: Holder): boolean {
  if (!isHere(holder)) return false;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return true;
  }
  const began = beginOf(holder.pid);
  return began !== undefined && holder.began !== "" && began !== holder.began;
}

function space(): string {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return "";
  }
}

/** When a process began, in the system's own words; "ended" for one whose parent has not noticed its end. */
function beginOf(pid: number): string | undefined {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Behind the name, which stands in brackets and may hold anything: the state, and 19 fields later the begin.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? "ended" : `${boot} ${fields[19]}`;
  } catch {
    return elsewhere(pid);
  }
}

/** The same where there is no /proc: on a Mac. */
function elsewhere(pid: number): string | undefined {
  try {
    const args = ["-o", "lstart=", "-p", String(pid)];
    return (
      execFileSync("ps", args, { env: { ...process.env, LC_ALL: "C" }, stdio: "pipe" })
        .toString()
        .trim() || undefined
    );
  } catch {
    return undefined;
  }
}
