/**
 * What gradient checkpointing and compiled graphs cost and save on tfjs-node: a forward and a backward pass of the middle
 * network on 32×32 and a batch of 16, each setting in a process of its own: its largest size, and the processor's time of
 * a pass, the median of five.
 *
 *     npx tsup --no-dts --silent && npx tsx --tsconfig tsconfig.base.json bench/checkpointing.ts     tfjs-node is installed
 */
import { spawnSync } from "node:child_process";
import { dispose, square, sum, tidy, variableGrads } from "@tensorflow/tfjs-core";
import { ddpmSchedule, randomStream } from "sid-lsg";
import { useBackend } from "sid-lsg/backends";
import { parseUnetConfig, unet } from "sid-lsg/models";
import { shapeOf } from "./networks";

const [request] = process.argv.slice(2);
if (request === undefined)
  for (const compile of [false, true])
    for (const gradientCheckpointing of [false, true]) {
      const [node, ...script] = [process.execPath, ...process.execArgv, process.argv[1] as string];
      const setting = JSON.stringify({ compile, gradientCheckpointing });
      spawnSync(node, [...script, setting], { stdio: ["ignore", "inherit", "ignore"] });
    }
else {
  const { compile, gradientCheckpointing } = JSON.parse(request) as Record<string, boolean>;
  await useBackend("node", { threads: 1, compile });
  const { unet: json, tokens } = shapeOf("middle");
  const config = parseUnetConfig(json);
  const [size, batch] = [32, 16];
  const stream = randomStream(1);
  const network = unet(config, {
    ...{ name: "net", schedule: ddpmSchedule(), predicts: "eps", weights: stream, gradientCheckpointing },
  } as Parameters<typeof unet>[1]);
  const x = stream.normal([batch, size, size, config.inChannels]);
  const text = stream.normal([batch, tokens, config.crossAttentionDim]);
  const times = Array.from({ length: batch }, () => 500);
  const seconds: number[] = [];
  for (let pass = 0; pass < 7; pass++) {
    const started = process.cpuUsage();
    const { value, grads } = variableGrads(
      () => tidy(() => sum(square(network.predict(x, times, text)))),
      [...network.variables],
    );
    await value.data();
    dispose([value, ...Object.values(grads)]);
    const { user, system } = process.cpuUsage(started);
    if (pass >= 2) seconds.push((user + system) / 1e6);
  }
  const peak = (process.resourceUsage().maxRSS * 1.024e-6).toFixed(2);
  const kind = `${compile ? "compiled" : "single operations"}${gradientCheckpointing ? ", checkpointing" : ""}`;
  console.log(`${kind}: at most ${peak} GB, ${seconds.sort((a, b) => a - b)[2]?.toFixed(2)} s a pass`);
  process.exit(0);
}
