/** `sd-forward.ts FOLDER OUT`: what the parts of a model folder compute, for test/golden/check_sd_folder.py to compare. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { type HostTensor, randomStream } from "sid-lsg";
import { useBackend } from "sid-lsg/backends";
import { writeSafetensors } from "sid-lsg/io";
import { loadStableDiffusion } from "sid-lsg/models/sd";

const [folder, out] = process.argv.slice(2) as [string, string];
await useBackend("cpu");
const { unet, text, vae } = await loadStableDiffusion(folder);
const xt = randomStream(0).normal([1, 8, 8, 4]);
const t = 625;
const cond = text.encode(["a red fox"]);
const eps = unet.predict(xt, [t], cond);
const image = vae.decode(xt);
const host = async (x: Tensor): Promise<HostTensor> => ({
  dtype: "F32",
  shape: x.shape,
  data: await x.data<"float32">(),
});
const entries = Object.entries({ xt, cond, eps, image }).map(async ([name, x]) => [name, await host(x)] as const);
const time: HostTensor = { dtype: "I32", shape: [1], data: Int32Array.of(t) };
await writeSafetensors(out, new Map([...(await Promise.all(entries)), ["t", time] as const]));
