import { checkObject, type KeysOf } from "../../core/checks";
import { SidError } from "../../core/errors";
import type { WeightMap } from "../../core/host-tensor";
import { type ByteSource, checkByteSource, take } from "../../io/byte-source";
import { openFile } from "../../io/disk";
import { parsePth } from "../../io/open-pth";
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
 * Makes a feature network from the file of its weights, as published: {@link inceptionV3} or {@link efficientNetLite0}, by
 * what is in it. The file is safetensors or PyTorch's, of which nothing is executed (`openPth` of `sid-lsg/io`):
 * pytorch-fid's and torch-fidelity's `…inception-2015-12-05-6726825d.pth`, `efficientnet-lite0-57934424.pth`.
 *
 * @param file - a path (Node only), or a source of bytes: `blobSource` or `urlSource` of `sid-lsg/io`. It is closed.
 * @param options - protocol, batch.
 * @returns the network; the caller disposes of it.
 * @throws SidError `unsupported` where the file is of another network; as `openSafetensors`, `openPth` and the networks do.
 *
 * @example
 * ```ts no-run
 * import { useBackend } from "sid-lsg/backends";
 * import { loadFeatureNetwork } from "sid-lsg/models/features";
 *
 * await useBackend("auto");
 * const network = await loadFeatureNetwork("pt_inception-2015-12-05-6726825d.pth", { protocol: "clean-fid" });
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
  const at = `${where} ${source.name}`;
  try {
    const isPth = beginsAsPth(await take(at, source, 0, Math.min(8, source.size)), source.size);
    return await readAll(isPth ? await parsePth(at, source, {}) : await parseSafetensors(at, source));
  } finally {
    await source.close();
  }
}

/**
 * Whether a file is PyTorch's: a zip or a pickle. A safetensors file begins with the length of its header, and could begin with
 * the same bytes; as a length they would be 64 MiB, or more than the file.
 */
function beginsAsPth(head: Uint8Array, size: number): boolean {
  if (head.length < 8) return false;
  const view = new DataView(head.buffer, head.byteOffset);
  return view.getUint32(0) === 0x504b0304 || (head[0] === 0x80 && view.getBigUint64(0, true) > size);
}
