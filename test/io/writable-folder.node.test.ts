import { describe, expect, it } from "vitest";
import { handleFolder, readText } from "../../src/io";
import { type FakeOptions, fakeDirectory } from "../support/directory-handle";

const bytes = (text: string) => new TextEncoder().encode(text);

describe("a folder of a browser's storage", () => {
  const browsers = (["stream", "access"] as const).flatMap((writer) =>
    ([true, false, "refused"] as const).map((moves): FakeOptions => ({ writer, moves })),
  );
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

  for (const writer of ["stream", "access"] as const)
    it(`keeps both files where there is no room to copy one to the other's name: ${writer}`, async () => {
      const room = { left: 100 };
      const directory = fakeDirectory({ writer, moves: false, room: () => room.left });
      const folder = handleFolder(directory);
      await folder.write("old", [bytes("old")]);
      await folder.write("new", [bytes("longer")]);
      room.left = 9;
      await expect(folder.rename("new", "old")).rejects.toMatchObject({ code: "io" });
      expect([await readText(folder, "old"), await readText(folder, "new")]).toEqual(["old", "longer"]);
      await expect(folder.rename("new", "third")).rejects.toMatchObject({ code: "io" });
      expect((await folder.list()).toSorted()).toEqual(["new", "old"]);
      await folder.rename("new", "new");
      expect(await readText(folder, "new")).toBe("longer");
    });

  it("tells what the browser says when its files cannot be listed", async () => {
    const directory = fakeDirectory();
    const folder = handleFolder(directory);
    // biome-ignore lint/correctness/useYield: it breaks off before
    directory.values = async function* () {
      throw new DOMException("The folder is gone", "NotFoundError");
    };
    await expect(folder.list()).rejects.toMatchObject({
      code: "io",
      message: 'handleFolder "run": The folder is gone.',
    });
  });

  it("refuses what is no folder, no name of a file, and a file that is not there", async () => {
    expect(() => handleFolder({} as never)).toThrowError(/FileSystemDirectoryHandle/);
    expect(() => handleFolder({ ...fakeDirectory(), values: undefined } as never)).toThrowError(/DirectoryHandle/);
    const folder = handleFolder(fakeDirectory());
    await folder.write("there", []);
    for (const name of ["", "..", "a/b", "a\\b"]) {
      await expect(folder.write(name, [])).rejects.toMatchObject({ code: "invalid-argument" });
      await expect(folder.rename("there", name)).rejects.toMatchObject({ code: "invalid-argument" });
    }
    await expect(folder.rename("a", "b")).rejects.toMatchObject({ code: "io" });
  });
});
