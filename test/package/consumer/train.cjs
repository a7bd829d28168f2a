require("@tensorflow/tfjs-backend-cpu");
const tf = require("@tensorflow/tfjs-core");
const { sidLoss, valueAndGradients } = require("sid-lsg");

tf.setBackend("cpu").then(async () => {
  const x = tf.tidy(() => tf.variable(tf.tensor2d([[1, 2]])));
  const { value, gradients } = valueAndGradients(
    () => sidLoss({ generated: x, teacher: tf.mul(x, 0.5), fake: tf.mul(x, 0.8) }, { weight: "none" }),
    [x],
  );
  // Sum of (0.5 - 0.8)·x·((0.5 - 1)·x - (0.5 - 0.8)·x) = 0.06·x², so the slope is 0.12·x.
  const slope = await gradients[0].data();
  if (Math.abs(slope[0] - 0.12) > 1e-6 || Math.abs(slope[1] - 0.24) > 1e-6) throw new Error(`slope ${slope}`);
  for (const tensor of [value, ...gradients]) tensor.dispose();
  console.log("trained");
});
