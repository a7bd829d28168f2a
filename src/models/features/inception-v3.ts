import type { Tensor, Tensor2D } from "@tensorflow/tfjs-core";
import { checkInteger, checkObject, checkOneOf, type KeysOf } from "../../core/checks";
import type { WeightMap } from "../../core/host-tensor";
import type { RandomStream } from "../../core/random";
import { checkSource, isStream } from "../weights/check-weights";
import { createParameters } from "../weights/parameters";
import type { FeatureNetwork } from "./feature-network";
import { describeInception, inceptionFeatures } from "./inception-network";
import { checkNotLiving, makeFeatureNetwork } from "./make-network";
import { type Resizing, resizeToFloats } from "./resize";

/**
 * Whose way of bringing pictures to the network, on which FID depends as much as on the pictures.
 *
 * - `pytorch-fid`: PyTorch's bilinear resizing without anti-aliasing, `x/127.5 − 1`;
 * - `clean-fid`: Pillow's bicubic resizing of floats, against aliasing, `(x − 128)/128`;
 * - `tensorflow`: TensorFlow 1's bilinear resizing, `(x − 128)/128`, as in the original code, in torch-fidelity and in
 *   the metrics of StyleGAN, EDM and SiD.
 */
export type InceptionProtocol = "pytorch-fid" | "clean-fid" | "tensorflow";

/** Options of {@link inceptionV3}. */
export interface InceptionV3Options {
  /**
   * The weights in the names of pytorch-fid's and torchvision's state dict (`Conv2d_1a_3x3.conv.weight` …), or a stream to
   * draw random ones from.
   */
  readonly weights: WeightMap | RandomStream;
  /** How pictures are resized and standardised. @defaultValue `"pytorch-fid"` */
  readonly protocol?: InceptionProtocol | undefined;
  /** How many pictures run through the network at a time. @defaultValue `8` */
  readonly batch?: number | undefined;
}

interface Protocol {
  readonly name: string;
  readonly resizing: Resizing;
  readonly centre: number;
  readonly unit: number;
}

const protocols: Readonly<Record<InceptionProtocol, Protocol>> = {
  "pytorch-fid": { name: "inception-v3-fid", resizing: "pytorch", centre: 127.5, unit: 127.5 },
  "clean-fid": { name: "inception-v3-fid-clean", resizing: "pillow-bicubic", centre: 128, unit: 128 },
  tensorflow: { name: "inception-v3-fid-tensorflow", resizing: "tensorflow", centre: 128, unit: 128 },
};

const keys: KeysOf<InceptionV3Options> = { weights: 1, protocol: 1, batch: 1 };
const side = 299;

/**
 * The Inception v3 behind FID, KID and the Inception Score: TensorFlow's network of December 2015, as pytorch-fid has it.
 * It is not torchvision's: averages leave out what lies beyond the border, the last block takes maxima, and there are 1008
 * classes.
 *
 * Features are the 2048 of the last pooling. Logits are without the bias, as the Inception Score takes them (and
 * torch-fidelity's `logits_unbiased`). Pictures become 299 × 299, whatever their proportions. Each protocol has a name of
 * its own, since features of different ones are not to be compared: `inception-v3-fid` for pytorch-fid,
 * `inception-v3-fid-clean`, `inception-v3-fid-tensorflow`.
 *
 * Source: Szegedy et al., arXiv:1512.00567; Heusel et al., arXiv:1706.08500; Parmar et al., arXiv:2104.11222; pytorch-fid
 * 0.3 inception.py; torch-fidelity 0.4 feature_extractor_inceptionv3.py.
 *
 * @param options - weights, protocol, batch.
 * @returns the network; the caller disposes of it.
 * @throws SidError `missing-weight`, `surplus-weight`, `shape-mismatch` or `not-finite` naming the tensor;
 *   `invalid-argument` when a network of this protocol lives already. No variable is left behind.
 *
 * @example
 * ```ts no-run
 * import { useBackend } from "sid-lsg/backends";
 * import { readSafetensors } from "sid-lsg/io";
 * import { inceptionV3 } from "sid-lsg/models/features";
 *
 * await useBackend("wasm");
 * const { tensors } = await readSafetensors("inception.safetensors");
 * const network = inceptionV3({ weights: tensors, protocol: "pytorch-fid" });
 * const picture = { data: new Uint8Array(32 * 32 * 3).fill(128), shape: [1, 32, 32, 3] } as const;
 * const { features, logits } = await network.features(picture);
 * console.log(network.name, features.length, logits?.length); // inception-v3-fid 2048 1008
 * network.dispose();
 * ```
 */
export function inceptionV3(options: InceptionV3Options): FeatureNetwork {
  const { weights, protocol = "pytorch-fid", batch = 8 } = checkObject("inceptionV3", "options", options, keys);
  const { name, resizing, centre, unit } =
    protocols[checkOneOf("inceptionV3", "protocol", protocol, Object.keys(protocols) as InceptionProtocol[])];
  checkSource("inceptionV3", weights);
  checkInteger("inceptionV3", "batch", batch, 1);
  const network = describeInception();
  checkNotLiving(name, network.layers.specs);
  const source = isStream(weights) ? weights : network.layers.fold("inceptionV3", weights);
  const parameters = createParameters(name, network.layers.specs, source);
  return makeFeatureNetwork({
    name,
    dimension: inceptionFeatures,
    variables: parameters.list,
    leastSize: 75,
    batch,
    prepare: (pictures) => ({
      data: resizeToFloats(pictures, [side, side], resizing).map((x) => (x - centre) / unit),
      size: [side, side],
    }),
    forward(x: Tensor) {
      const features = network.features(parameters.get, x) as Tensor2D;
      return { features, logits: network.logits(parameters.get, features) as Tensor2D };
    },
    dispose: parameters.dispose,
  });
}
