/** What the browser test runs in a page: one backend start and some gradients. */

import { type Tensor, tidy } from "@tensorflow/tfjs-core";
import { ddpmSchedule, randomStream, vjp } from "sid-lsg";
import { useBackend } from "sid-lsg/backends";
import { parseUnetConfig, unet } from "sid-lsg/models";

/** What came out, as plain JSON. */
interface Outcome {
  readonly isolated: boolean;
  readonly warnings: readonly string[];
  /** Workers that were started and not stopped. */
  readonly workers: number;
  readonly error?: { readonly code: unknown; readonly message: string };
  readonly values?: readonly number[];
}

const warnings: string[] = [];
console.warn = (...words: unknown[]) => void warnings.push(words.join(" "));

let workers = 0;
globalThis.Worker = class extends Worker {
  constructor(url: string | URL, options?: WorkerOptions) {
    super(url, options);
    workers++;
  }
  override terminate(): void {
    workers--;
    super.terminate();
  }
};

/** The prediction of a small U-Net and its gradient. */
function gradients(): number[] {
  const config = parseUnetConfig({
    sample_size: 16,
    in_channels: 3,
    out_channels: 3,
    down_block_types: ["CrossAttnDownBlock2D", "DownBlock2D"],
    up_block_types: ["UpBlock2D", "CrossAttnUpBlock2D"],
    block_out_channels: [32, 64],
    layers_per_block: 1,
    cross_attention_dim: 16,
    attention_head_dim: 4,
    norm_num_groups: 8,
  });
  const random = randomStream(1);
  const model = unet(config, { name: "page", schedule: ddpmSchedule(), predicts: "eps", weights: randomStream(2) });
  const [x, text, cotangent] = [
    random.normal([4, 16, 16, 3]),
    random.normal([4, 5, 16]),
    random.normal([4, 16, 16, 3]),
  ];
  const values = tidy(() => {
    const [dx, dText] = vjp((x, text) => model.predict(x as Tensor, [10, 200, 500, 900], text), [x, text], cotangent);
    return [dx, dText].flatMap((g) => [...(g as Tensor).dataSync()]);
  });
  model.dispose();
  return values;
}

Object.assign(globalThis, {
  async run(options: Parameters<typeof useBackend>[1]): Promise<Outcome> {
    const about = () => ({ isolated: crossOriginIsolated, warnings, workers });
    try {
      await useBackend("wasm", options);
      const values = gradients();
      return { ...about(), values };
    } catch (error) {
      const { code, message } = error as Error & { readonly code?: unknown };
      return { ...about(), error: { code, message } };
    }
  },
});
