import fc from "fast-check";

// Properties draw the same cases in every run of `npm test`, so that a red test means the change and not the dice.
// `npm run test:random` draws other ones; a failure prints its seed and its counterexample.
if (process.env["MODE"] !== "random") fc.configureGlobal({ seed: 24061561 });
