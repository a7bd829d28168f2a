/** A browser's folder in memory, with what may go wrong in one. */
export interface FakeDirectory {
  readonly name: string;
  readonly files: Map<string, Uint8Array<ArrayBuffer>>;
  getFileHandle(name: string, options?: { create?: boolean }): Promise<{ getFile(): Promise<Blob> }>;
  removeEntry(name: string): Promise<void>;
  values(): AsyncIterable<{ readonly kind: string; readonly name: string }>;
}

export interface FakeOptions {
  /** How files are written: browsers differ. */
  readonly writer?: "stream" | "access" | "none";
  /** Whether files can be moved; some browsers have the function and refuse. */
  readonly moves?: boolean | "refused";
  /** Room for all files together. */
  readonly room?: () => number;
}

const missing = (name: string) => new DOMException(`${name} could not be found`, "NotFoundError");
const full = () => new DOMException("The quota has been exceeded", "QuotaExceededError");

export function fakeDirectory({ writer = "stream", moves = true, room = () => 1e9 }: FakeOptions = {}): FakeDirectory {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  const used = (except: string) =>
    [...files].reduce((sum, [name, { length }]) => sum + (name === except ? 0 : length), 0);
  const stream = (name: string) => {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    return {
      async write(part: Uint8Array<ArrayBuffer>) {
        parts.push(part.slice());
        if (used(name) + parts.reduce((sum, { length }) => sum + length, 0) > room()) throw full();
      },
      async close() {
        files.set(name, new Uint8Array(await new Blob(parts).arrayBuffer()));
      },
      async abort() {},
    };
  };
  const access = (name: string) => ({
    truncate: () => void files.set(name, new Uint8Array()),
    write(part: Uint8Array, { at }: { at: number }) {
      const whole = new Uint8Array(Math.min(at + part.length, room() - used(name)));
      whole.set(files.get(name) ?? []);
      whole.set(part.subarray(0, whole.length - at), at);
      files.set(name, whole);
      return whole.length - at;
    },
    flush() {},
    close() {},
  });
  const handleOf = (name: string) => ({
    getFile: async () => new Blob([files.get(name) as Uint8Array<ArrayBuffer>]),
    ...(writer === "stream" && { createWritable: async () => stream(name) }),
    ...(writer === "access" && { createSyncAccessHandle: async () => access(name) }),
    ...(moves && {
      async move(to: string) {
        if (moves === "refused") throw new DOMException("Not here", "NotAllowedError");
        files.set(to, files.get(name) as Uint8Array<ArrayBuffer>);
        files.delete(name);
      },
    }),
  });
  const directory = {
    name: "run",
    files,
    async getFileHandle(name: string, { create = false } = {}) {
      if (!files.has(name) && !create) throw missing(name);
      if (!files.has(name)) files.set(name, new Uint8Array());
      return handleOf(name);
    },
    async removeEntry(name: string) {
      if (!files.delete(name)) throw missing(name);
    },
    async *values() {
      for (const name of [...files.keys()]) yield { kind: "file", name };
      yield { kind: "directory", name: "another" };
    },
  };
  return directory;
}
