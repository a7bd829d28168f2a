import { type Tensor, type Tensor2D, tensor4d, tidy, type Variable } from "@tensorflow/tfjs-core";
import { showShape } from "../../core/checks";
import { SidError } from "../../core/errors";
import { checkBatch } from "../../core/tensor-checks";
import { checkFreeNames, checkLive } from "../weights/check-weights";
import type { FeatureNetwork, FeatureTensors } from "./feature-network";
import { checkPictures, type Pictures } from "./pictures";

/** What a feature network is made of. */
export interface NetworkParts {
  readonly name: string;
  readonly dimension: number;
  readonly variables: readonly Variable[];
  /** The least height and width that {@link NetworkParts.forward} can take. */
  readonly leastSize: number;
  /** How many pictures run through the network at a time. */
  readonly batch: number;
  /** Resizes and standardises on the host. */
  readonly prepare: (pictures: Pictures) => { readonly data: Float32Array; readonly size: readonly [number, number] };
  /** Of a tensor that was checked. */
  readonly forward: (x: Tensor) => FeatureTensors;
  readonly dispose: () => void;
}

/** Throws where a network lives already whose name is fixed, since statistics carry it. */
export function checkNotLiving(name: string, specs: readonly { readonly name: string }[]): void {
  checkFreeNames(name, specs, "use that one again, or dispose of it first");
}

/** A feature network out of its parts: the checks, and pictures a few at a time. */
export function makeFeatureNetwork(parts: NetworkParts): FeatureNetwork {
  const { name, dimension, variables, batch, leastSize, prepare, dispose } = parts;
  const self: FeatureNetwork = {
    name,
    dimension,
    variables,
    async features(pictures) {
      const where = `${name}.features`;
      const { data, shape } = checkPictures(where, pictures);
      const [count, height, width, channels] = shape;
      const size = height * width * channels;
      const features = new Float32Array(count * dimension);
      let logits: Float32Array | undefined;
      for (let at = 0; at < count; at += batch) {
        checkLive(where, self);
        const some = Math.min(batch, count - at);
        const bytes = data.subarray(at * size, (at + some) * size);
        const found = run({ data: bytes, shape: [some, height, width, channels] });
        try {
          features.set((await found.features.data()) as Float32Array, at * dimension);
          if (!found.logits) continue;
          const classes = found.logits.shape[1];
          logits ??= new Float32Array(count * classes);
          logits.set((await found.logits.data()) as Float32Array, at * classes);
        } finally {
          found.features.dispose();
          found.logits?.dispose();
        }
      }
      return { features, ...(logits && { logits }) };
    },
    forward(x) {
      const where = `${name}.forward`;
      checkLive(where, self);
      checkBatch(where, "x", x);
      const [, height = 0, width = 0, channels] = x.shape;
      if (x.rank !== 4 || channels !== 3 || Math.min(height, width) < leastSize)
        throw new SidError(
          "shape-mismatch",
          `${where}: x must be [B, height, width, 3] of at least ${leastSize} pixels each way, got ${showShape(x)}.`,
        );
      return tidied(() => parts.forward(x));
    },
    dispose,
  };
  const run = (pictures: Pictures): FeatureTensors =>
    tidied(() => {
      const { data, size } = prepare(pictures);
      return parts.forward(tensor4d(data, [pictures.shape[0], ...size, 3]));
    });
  return self;
}

/** Keeps the results of `f` alone. */
function tidied(f: () => FeatureTensors): FeatureTensors {
  const kept = tidy(() => {
    const { features, logits } = f();
    return logits ? [features, logits] : [features];
  });
  const [features, logits] = kept as [Tensor2D, Tensor2D?];
  return { features, ...(logits && { logits }) };
}
