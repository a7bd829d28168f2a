import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { projectPath, shown, userFolder, userPath, userPaths } from "../../../examples/common/paths";

afterEach(() => void vi.unstubAllEnvs());

/** What npm tells a script that was called from another folder. */
function callFrom(folder: string): void {
  vi.stubEnv("INIT_CWD", folder);
  vi.stubEnv("npm_lifecycle_event", "sd:distill");
}

test("a path begins where the user stands, below npm run too", () => {
  vi.stubEnv("npm_lifecycle_event", undefined);
  expect(userPath("out", "a/b")).toBe(resolve("a/b"));
  callFrom("/somewhere/else");
  expect(userPath("out", "a/b")).toBe("/somewhere/else/a/b");
  expect(userPath("out", "../b/")).toBe("/somewhere/b");
  expect(userPath("out", "/a")).toBe("/a");
  expect(projectPath("runs/sd")).toBe(resolve("runs/sd"));
  // A process that npm's script started elsewhere stands there.
  vi.spyOn(process, "cwd").mockReturnValueOnce("/a").mockReturnValueOnce("/a");
  expect(userFolder()).toBe("/a");
});

test("~ is the user's home, as in a shell, and another user's is refused", () => {
  expect(userPath("out", "~")).toBe(homedir());
  expect(userPath("out", "~/runs/a")).toBe(join(homedir(), "runs/a"));
  expect(userPath("out", "./~")).toBe(resolve("~"));
  expect(userPath("out", "a/~/b")).toBe(resolve("a/~/b"));
  for (const text of ["~ada", "~ada/runs", "~+"])
    expect(() => userPath("model", text)).toThrow(`--model: whose folder "${text.split("/")[0]}" is`);
  for (const text of ["", " ", "a\0b"]) expect(() => userPath("out", text)).toThrow("--out must name a file or folder");
});

test("only what is given is read", () => {
  const values: { out?: string | undefined; model: string; seed: string } = {
    out: undefined,
    model: "~/m",
    seed: "~x",
  };
  expect(userPaths(values, ["out", "model"])).toEqual({ model: join(homedir(), "m") });
});

test("paths are told from where the user stands", () => {
  callFrom(resolve("examples"));
  expect(shown(resolve("examples/a/b"))).toBe("a/b");
  expect(shown(resolve("examples"))).toBe(".");
  expect(shown(resolve("examples/..a"))).toBe("..a");
  expect(shown(resolve("runs"))).toBe(resolve("runs"));
});
