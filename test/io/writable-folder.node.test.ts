import { describe, expect, it } from "vitest";
import { handleFolder, readText } from "../../src/io";
import { type FakeOptions, fakeDirectory } from "../support/directory-handle";

const bytes = (text: string) => new TextEncoder().encode(text);

describe("a folder of a browser's storage", () => {
  const browsers: FakeOptions[] = [{}, { moves: false }, { writer: "access" }, { writer: "access", moves: false }];
  for (const options of browsers)
    it(`writes, lists, renames and removes files: ${JSON.stringify(options)}`, async () => {
      const directory = fakeDirectory(options);
      const folder = handleFolder(directory);
      await folder.write("a", [bytes("he"), bytes("llo")]);
      await folder.write("a", [bytes("hal"), bytes("lo")]);
      await folder.write("b", [bytes("b")]);
      expect((await folder.list()).toSorted()).toEqual(["a", "b"]);
      expect(await readText(folder, "a")).toBe("hallo");
      await folder.rename("a", "b");
      expect(await folder.list()).toEqual(["b"]);
      expect(await readText(folder, "b")).toBe("hallo");
      expect(await folder.open("a")).toBeUndefined();
      await folder.remove("b");
      await folder.remove("b");
      expect(directory.files.size).toBe(0);
    });

  for (const writer of ["stream", "access", "none"] as const)
    it(`leaves no part of a file where there is no room, or no way to write: ${writer}`, async () => {
      const directory = fakeDirectory({ writer, room: () => 4 });
      await expect(handleFolder(directory).write("a", [bytes("abc"), bytes("def")])).rejects.toMatchObject({
        code: "io",
        message: expect.stringMatching(/^handleFolder "run", "a": .*(quota|no room|writes no files)/),
      });
      expect(directory.files.size).toBe(0);
    });

  it("refuses what is no folder, no name of a file, and a file that is not there", async () => {
    expect(() => handleFolder({} as never)).toThrowError(/FileSystemDirectoryHandle/);
    const folder = handleFolder(fakeDirectory());
    for (const name of ["", "..", "a/b", "a\\b"])
      await expect(folder.write(name, [])).rejects.toMatchObject({ code: "invalid-argument" });
    await expect(folder.rename("a", "b")).rejects.toMatchObject({ code: "io" });
  });
});
