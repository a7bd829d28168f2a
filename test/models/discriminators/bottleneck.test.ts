import { test } from "@fast-check/vitest";
import { memory, tensor, tidy } from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { bottleneckDiscriminator } from "../../../src/models";
import { discriminatorContract } from "../../contracts/discriminator-contract";
import { expectSidError } from "../../support/errors";
import { expectClose } from "../../support/matchers";

const t = [20, 400, 979] as const;

discriminatorContract("bottleneckDiscriminator on maps", {
  ...{ make: (name) => bottleneckDiscriminator({ name }), inputShape: [2, 3, 5], logitShape: [2, 3], t },
});
discriminatorContract("bottleneckDiscriminator on vectors", {
  ...{ make: () => bottleneckDiscriminator(), inputShape: [5], logitShape: [], t },
});

describe("bottleneckDiscriminator", () => {
  test("is the mean over the channels, without weights", () =>
    tidy(() => {
      const discriminator = bottleneckDiscriminator({ reads: "fakeScore" });
      expect(discriminator.variables).toEqual([]);
      expect([discriminator.reads, discriminator.name]).toEqual(["fakeScore", "bottleneck"]);
      const features = tensor([1, 2, 6, 0, -4, 1, 8, 8, 8, 0, 0, 3], [2, 1, 2, 3]);
      expectClose(discriminator.logit(features, [1, 2]), tensor([3, -1, 8, 1], [2, 1, 2]), 1e-6);
      expectClose(discriminator.logit(tensor([1, 2, 6], [1, 3]), [1]), tensor([3]), 1e-6);
    }));

  test("a frozen network has nothing to learn, features want channels", () =>
    tidy(() => {
      expectSidError(
        "invalid-argument",
        () => bottleneckDiscriminator({ reads: "teacher" as never }),
        /reads must be one of "fakeScore", got "teacher"/,
      );
      expectSidError("invalid-argument", () => bottleneckDiscriminator({ name: "" }), /name/);
      expectSidError("invalid-argument", () => bottleneckDiscriminator({ read: "x" } as never), /did you mean reads/);
      const before = memory().numTensors;
      const rows = tensor([1, 2]);
      expectSidError(
        "shape-mismatch",
        () => bottleneckDiscriminator().logit(rows, [1, 2]),
        /bottleneck\.logit: features must be \[B, \.\.\., C\] with an axis of channels, got \[2\]/,
      );
      rows.dispose();
      expect(memory().numTensors).toBe(before);
    }));
});
