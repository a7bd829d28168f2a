import { backend, env } from "@tensorflow/tfjs-core";
import { SidError } from "../../core/errors";
import { sharedState } from "../../core/shared-state";
import { notInstalled, start } from "../start";

/**
 * What `useBackend("webgl")` of `sid-lsg/backends` does, alone: a browser's GPU where there is no WebGPU. It must be
 * able to write float32: with 16 bits training diverges without a word.
 *
 * @throws SidError `missing-backend` where the package `@tensorflow/tfjs-backend-webgl` is not installed or there is no
 *   WebGL, `unsupported` for a GPU that renders to 16 bits only.
 *
 * @example
 * ```ts no-run
 * import { useBackend } from "sid-lsg/backends/webgl";
 *
 * await useBackend();
 * ```
 */
export async function useWebgl(): Promise<void> {
  try {
    await import("@tensorflow/tfjs-backend-webgl");
  } catch (cause) {
    throw notInstalled("@tensorflow/tfjs-backend-webgl", cause);
  }
  await start("webgl", "; is there WebGL in this browser?");
  if (!env().getBool("WEBGL_RENDER_FLOAT32_ENABLED"))
    throw new SidError(
      "unsupported",
      'useBackend: "webgl" wants float32 textures, this device renders to 16 bits only; "wasm" works.',
    );
  guardContext(backend() as unknown as WebglBackend);
}

/** What is used of tfjs's backend. */
interface WebglBackend {
  readonly gpgpu: { readonly gl: WebGL2RenderingContext };
  read(dataId: object): Promise<unknown>;
  readSync(dataId: object): unknown;
}

const guarded = /* @__PURE__ */ sharedState("guarded webgl backends", () => new WeakSet<object>());

/** Lets a read throw where the browser took the GPU away: WebGL itself would give zeros, or wait for ever. */
function guardContext(webgl: WebglBackend): void {
  if (guarded.has(webgl)) return;
  guarded.add(webgl);
  const { read, readSync, gpgpu } = webgl;
  const lost = new Promise<never>((_, reject) => {
    gpgpu.gl.canvas.addEventListener("webglcontextlost", () => reject(contextLost()));
  });
  // Those who read are told; where nobody does, nobody need be.
  lost.catch(() => undefined);
  Object.assign(webgl, {
    read: (dataId: object) => Promise.race([lost, read.call(webgl, dataId)]),
    readSync(dataId: object) {
      const values = readSync.call(webgl, dataId);
      if (gpgpu.gl.isContextLost()) throw contextLost();
      return values;
    },
  });
}

function contextLost(): SidError {
  const what = "the browser has taken the GPU away, and what was on it is lost; load the page anew";
  return new SidError("device-lost", `webgl backend: ${what}.`);
}
