import { checkObject, type KeysOf } from "../../core/checks";
import { SidError } from "../../core/errors";
import type { WeightMap } from "../../core/host-tensor";
import { type ByteSource, checkByteSource } from "../../io/byte-source";
import { openFile } from "../../io/disk";
import { parseSafetensors, readAll } from "../../io/open-safetensors";
import { efficientNetLite0 } from "./efficientnet-lite0";
import type { FeatureNetwork } from "./feature-network";
import { type InceptionProtocol, inceptionV3 } from "./inception-v3";

/** Options of {@link loadFeatureNetwork}. */
export interface LoadFeatureNetworkOptions {
  /** How pictures are resized and standardised for Inception; other networks have one way. @defaultValue `"pytorch-fid"` */
  readonly protocol?: InceptionProtocol | undefined;
  /** How many pictures run through the network at a time. @defaultValue `8` */
  readonly batch?: number | undefined;
}

const where = "loadFeatureNetwork";
const keys: KeysOf<LoadFeatureNetworkOptions> = { protocol: 1, batch: 1 };

/** A weight by which each network is known. */
const marks = { inception: "Conv2d_1a_3x3.conv.weight", efficientNet: "_conv_stem.weight" } as const;

/**
 * Makes a feature network from a safetensors file of its weights: {@link inceptionV3} or {@link efficientNetLite0}, by what
 * is in it.
 *
 * @param file - a path (Node only), or a source of bytes: `blobSource` or `urlSource` of `sid-lsg/io`. It is closed.
 * @param options - protocol, batch.
 * @returns the network; the caller disposes of it.
 * @throws SidError `unsupported` where the file is of another network; as `openSafetensors` and the networks do.
 *
 * @example
 * ```ts no-run
 * import { useBackend } from "sid-lsg/backends";
 * import { loadFeatureNetwork } from "sid-lsg/models/features";
 *
 * await useBackend("auto");
 * const network = await loadFeatureNetwork("pt_inception-2015-12-05-6726825d.safetensors", { protocol: "clean-fid" });
 * console.log(network.name, network.dimension); // inception-v3-fid-clean 2048
 * network.dispose();
 * ```
 */
export async function loadFeatureNetwork(
  file: string | ByteSource,
  options: LoadFeatureNetworkOptions = {},
): Promise<FeatureNetwork> {
  const { protocol, batch } = checkObject(where, "options", options, keys);
  const source = typeof file === "string" ? await openFile(where, file) : checkByteSource(where, file);
  const weights = await readAndClose(source);
  if (weights.has(marks.inception)) return inceptionV3({ weights, protocol, batch });
  if (!weights.has(marks.efficientNet))
    throw new SidError(
      "unsupported",
      `${where} ${source.name}: its weights are neither pytorch-fid's Inception v3 ("${marks.inception}") nor EfficientNet-Lite0 ("${marks.efficientNet}").`,
    );
  if (protocol !== undefined)
    throw new SidError("invalid-argument", `${where} ${source.name}: EfficientNet-Lite0 has no protocols.`);
  return efficientNetLite0({ weights, batch });
}

async function readAndClose(source: ByteSource): Promise<WeightMap> {
  try {
    return await readAll(await parseSafetensors(`${where} ${source.name}`, source));
  } finally {
    await source.close();
  }
}
