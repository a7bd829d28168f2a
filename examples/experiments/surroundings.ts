import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { getBackend, version_core } from "@tensorflow/tfjs-core";
import { arithmetic } from "sid-lsg/backends";

/** On what something was computed. */
export interface Surroundings {
  readonly processor: string;
  readonly node: string;
  readonly backend: string;
  readonly tfjs: string;
  readonly library: string;
}

/** Those of this process. */
export function surroundings(): Surroundings {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return {
    processor: cpus()[0]?.model.trim() ?? "unknown",
    node: process.version,
    backend: arithmetic() === "fma" ? `${getBackend()}, fma` : getBackend(),
    tfjs: version_core,
    library: version,
  };
}
