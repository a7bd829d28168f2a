import { backend, engine, setBackend } from "@tensorflow/tfjs-core";
import { checkBoolean, checkInteger } from "../../core/checks";
import { SidError } from "../../core/errors";
import { setGraphRunner } from "../../core/graph-runner";
import { setNativeThreads } from "../../core/native-threads";
import { importNative, start } from "../start";
import type { Disk } from "./graph/build";
import { graphRunner } from "./graph/run";
import type { NodeBackend } from "./operations";
import { registerNodeKernels } from "./register";
import { restoreUtil } from "./restore-util";

const packages = { node: "@tensorflow/tfjs-node", "node-gpu": "@tensorflow/tfjs-node-gpu" } as const;

/** What the GPU package's C library, TensorFlow 2.9.1, is built for. */
const cuda = "an NVIDIA GPU with its driver (450 or newer), the CUDA toolkit 11.2 and cuDNN 8.1";

/** Starts TensorFlow's C library with our kernels, on the processor or on a GPU with CUDA. */
export async function useNode(
  name: keyof typeof packages,
  { threads, compile = false }: { readonly threads?: number | undefined; readonly compile?: boolean | undefined },
): Promise<void> {
  checkBoolean("useBackend", "compile", compile);
  if (threads !== undefined) checkInteger("useBackend", "threads", threads, 1, 1024);
  const before = engine().backendName;
  await withSettings(
    {
      TF_CPP_MIN_LOG_LEVEL: "2",
      TF_NUM_INTRAOP_THREADS: threads?.toString(),
      TF_NUM_INTEROP_THREADS: threads?.toString(),
    },
    async () => {
      await restoreUtil();
      // One process has one of the two packages: whichever was there first.
      if (!("tensorflow" in engine().registryFactory)) {
        await load(packages[name]);
        if (name === "node") setNativeThreads(Number(process.env["TF_NUM_INTRAOP_THREADS"] ?? (await processors())));
      }
      await start("tensorflow");
    },
  );
  if ((backend() as unknown as NodeBackend).isUsingGpuDevice !== (name === "node-gpu")) {
    if (before) await setBackend(before);
    throw refusal(name);
  }
  registerNodeKernels();
  // A session takes and gives tensors in the processor's memory: on a GPU it would copy all weights each time.
  const native = await disk();
  setGraphRunner("tensorflow", compile && name === "node", () =>
    graphRunner(backend() as unknown as NodeBackend, native),
  );
}

async function disk(): Promise<Disk> {
  const [fs, os] = await Promise.all([
    importNative<typeof import("node:fs")>("node:fs"),
    importNative<typeof import("node:os")>("node:os"),
  ]);
  return { fs, tmpdir: os.tmpdir() };
}

async function processors(): Promise<number> {
  return (await importNative<typeof import("node:os")>("node:os")).availableParallelism();
}

function refusal(name: keyof typeof packages): SidError {
  return name === "node"
    ? new SidError("unsupported", `useBackend: "node-gpu" runs in this process, "node" cannot run beside it.`)
    : new SidError(
        "missing-backend",
        `useBackend: TensorFlow finds no GPU. "node-gpu" wants ${cuda}, started before any "node"; with TF_CPP_MIN_LOG_LEVEL=0 TensorFlow prints what it misses.`,
      );
}

/** Imports the package; one whose binary is missing or does not load has messages of its own. */
async function load(packageName: string): Promise<void> {
  try {
    await importNative(packageName);
  } catch (error) {
    const reasons = causes(error);
    const unloaded = reasons.find(({ code }) => code === "ERR_DLOPEN_FAILED");
    const why = reasons.some(({ message }) => message.includes("native addon module"))
      ? "its binary was not built, since its install script did not run or could not download TensorFlow"
      : unloaded && `its binary does not load (${unloaded.message.split("\n")[0]})`;
    if (why === undefined) throw error;
    const needs = packageName === packages["node-gpu"] ? ` It wants ${cuda}.` : "";
    throw new SidError(
      "missing-backend",
      `useBackend: ${packageName} is installed, but ${why}; run: npm rebuild ${packageName} --build-addon-from-source.${needs}`,
      { cause: error },
    );
  }
}

/** An error and what is behind it; loaders wrap what they caught. */
function causes(error: unknown): NodeJS.ErrnoException[] {
  return error instanceof Error ? [error, ...causes(error.cause)] : [];
}

/** Sets what the user has not set in the environment, which TensorFlow reads when it starts, and only then. */
async function withSettings(settings: Readonly<Record<string, string | undefined>>, f: () => Promise<void>) {
  const ours = Object.entries(settings).filter(([key, value]) => value !== undefined && process.env[key] === undefined);
  for (const [key, value] of ours) process.env[key] = value;
  try {
    await f();
  } finally {
    for (const [key] of ours) delete process.env[key];
  }
}
