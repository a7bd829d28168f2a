import { handleFolder } from "sid-lsg/io";
import { describe, expect, it } from "vitest";
import { empty, memoryFolder, readFile, replaceFile, spareFolder } from "../../../../examples/browser/training/storage";
import { fakeDirectory } from "../../../support/directory-handle";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = async (folder: ReturnType<typeof memoryFolder>, name: string) => {
  const found = await readFile(folder, name);
  return found && new TextDecoder().decode(found);
};

describe("files in memory", () => {
  it("are written, renamed and removed like those of a disk", async () => {
    const folder = memoryFolder();
    await replaceFile(folder, "a", bytes("one"));
    await replaceFile(folder, "a", bytes("two"));
    expect(await folder.list()).toEqual(["a"]);
    expect(await text(folder, "a")).toBe("two");
    expect(await text(folder, "b")).toBeUndefined();
    await expect(folder.rename("b", "c")).rejects.toMatchObject({ code: "io" });
    await empty(folder);
    expect(await folder.list()).toEqual([]);
  });
});

describe("a storage with memory to spare", () => {
  const make = () => {
    const room = { left: 100 };
    const directory = fakeDirectory({ room: () => room.left });
    const told: (string | undefined)[] = [];
    const folder = spareFolder(handleFolder(directory), "main.next", (reason) => void told.push(reason));
    /** As a run saves: the main file and one beside it, two generations of the first. */
    const save = async (content: string) => {
      await folder.write("main.next", [bytes(content)]);
      await folder.remove("main.1");
      if ((await folder.list()).includes("main")) await folder.rename("main", "main.1");
      await folder.rename("main.next", "main");
      await replaceFile(folder, "beside", bytes(content));
    };
    const stored = () =>
      [...directory.files].map(([name, data]) => `${name}: ${new TextDecoder().decode(data)}`).sort();
    return { room, folder, told, save, stored };
  };

  it("is the storage while there is room", async () => {
    const { folder, told, save, stored } = make();
    await save("one");
    await save("two");
    expect(stored()).toEqual(["beside: two", "main.1: one", "main: two"]);
    expect(await text(folder, "main")).toBe("two");
    expect(told).toEqual([]);
  });

  it("keeps what was stored when there is none, and goes on in memory", async () => {
    const { room, folder, told, save, stored } = make();
    await save("one");
    await save("two");
    room.left = 0;
    await save("three");
    await save("four");
    expect(stored()).toEqual(["beside: two", "main.1: one", "main: two"]);
    expect([await text(folder, "main"), await text(folder, "main.1")]).toEqual(["four", "three"]);
    expect(await text(folder, "beside")).toBe("four");
    expect(told).toEqual([expect.stringMatching(/quota/)]);
  });

  it("is emptied in both places, and is the storage again", async () => {
    const { room, folder, save, stored } = make();
    await save("one");
    room.left = 0;
    await save("two");
    expect(folder.isInMemory()).toBe(true);
    await folder.clear();
    expect([stored(), await folder.list(), folder.isInMemory()]).toEqual([[], [], false]);
    room.left = 100;
    await replaceFile(folder, "beside", bytes("x"));
    expect(stored()).toEqual(["beside: x"]);
  });

  it("goes back to the storage as soon as a main file fits, and not for a small one beside it", async () => {
    const { room, folder, told, save, stored } = make();
    await save("one");
    room.left = 9;
    await save("a longer one");
    await replaceFile(folder, "beside", bytes("x"));
    expect(stored()).toEqual(["beside: one", "main: one"]);
    room.left = 100;
    await save("three");
    expect(stored()).toEqual(["beside: three", "main.1: one", "main: three"]);
    expect(await text(folder, "main")).toBe("three");
    expect(told).toEqual([expect.stringMatching(/quota/), undefined]);
  });
});
