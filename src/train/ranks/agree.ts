import type { Tensor } from "@tensorflow/tfjs-core";
import { nativeThreads } from "../../core/native-threads";
import type { Reducer } from "../../distributed/types";
import { type CheckpointFiles, openCheckpoints } from "../checkpoint-files";
import { type Fingerprint, fingerprintOf } from "../fingerprint";
import type { Plan } from "../plan";
import { checkSettings, programOf } from "./compare";

/** What all ranks agree on before they begin. */
export interface Agreed {
  readonly fingerprint: Fingerprint;
  readonly files: CheckpointFiles | undefined;
}

/** Opens the checkpoints, rank 0 first, which may change what is there; throws unless all ranks are to do the same. */
export async function agree(reducer: Reducer, plan: Plan, uncond: Tensor | undefined): Promise<Agreed> {
  const { checkpoint, onWarning } = plan;
  const fingerprint = await fingerprintOf(plan, uncond);
  const writes = reducer.rank === 0;
  const open = async () =>
    checkpoint && openCheckpoints(checkpoint.place, checkpoint.path, checkpoint.keep, onWarning, writes);
  const first = writes ? await open() : undefined;
  await reducer.barrier();
  const files = first ?? (await open());
  await checkSettings(reducer, { ...programOf(), ...fingerprint, ...surroundings(plan, files?.found) });
  return { fingerprint, files };
}

/** What ranks must have in common beside the run itself. */
function surroundings(plan: Plan, found: readonly string[] = []): Fingerprint {
  const { iterations, gaugeHalfLife, checkRanks, shardOptimizer, checkpoint, onGradients } = plan;
  const clips = [plan.generatorAdam, plan.fakeScoreAdam].some(({ clipNorm }) => clipNorm !== undefined);
  const { path = "", every, resume = false, allowOtherArithmetic = false } = checkpoint ?? {};
  const there = found.map((file) => `the checkpoint${file.slice(path.length)}`).join(", ");
  const settings = {
    ...{ iterations, gaugeHalfLife, checkRanks, shardOptimizer, onGradients: onGradients && "a function" },
    ...(clips && { "threads of TensorFlow, on which the norm for clipNorm depends": nativeThreads() }),
    "checkpoint.every": every,
    ...{ "checkpoint.resume": resume, "checkpoint.allowOtherArithmetic": allowOtherArithmetic },
    ...(resume !== false && { "what is found of the checkpoint, whose folder all ranks must see": there || "nothing" }),
  };
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, String(value ?? "none")]));
}
