// One step of gradient descent on the score-identity loss must lower it.
import "@tensorflow/tfjs-backend-cpu";
import { add, memory, mul, scalar, setBackend, sub, tensor2d, tidy, variable } from "@tensorflow/tfjs-core";
import { lsg, sidLoss, valueAndGradients } from "sid-lsg";

await setBackend("cpu");
const { kappa1 } = lsg(1.5);
const shift = tidy(() => variable(tensor2d([[0.5, -0.25]])));
const noise = tensor2d([
  [1, 2],
  [-1, 0.5],
]);
const zero = scalar(0);
const loss = () => {
  const generated = add(noise, shift);
  const inputs = { generated, teacher: mul(generated, 0.5), fake: mul(add(generated, zero), 0.9 / kappa1) };
  return sidLoss(inputs, { weight: "none", alpha: 0.5 });
};

const before = memory().numTensors;
const { value, gradients } = valueAndGradients(loss, [shift]);
tidy(() => shift.assign(sub(shift, mul(gradients[0], 0.01))));
const after = tidy(loss);
const [start] = await value.data();
const [end] = await after.data();
for (const tensor of [value, after, ...gradients]) tensor.dispose();
if (!(end < start)) throw new Error(`the loss went from ${start} to ${end}`);
if (memory().numTensors !== before) throw new Error("tensors leaked");
console.log("trained");
