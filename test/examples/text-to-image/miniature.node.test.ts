import { expect, test } from "vitest";
import * as digits from "../../../examples/digits/teacher-config";
import { world as digitsWorld } from "../../../examples/digits/world";
import * as emoji from "../../../examples/quickstart/teacher-config";
import { world as emojiWorld } from "../../../examples/quickstart/world";
import { readFolder } from "../../../examples/text-to-image/model-folder";

test.each([
  ["digits", digits, digitsWorld.teacherFolder],
  ["emoji", emoji, emojiWorld.teacherFolder],
])("the committed teacher of %s has the configuration that its command trains", async (_, configs, folder) => {
  const { unet, textEncoder, scheduler } = await readFolder(folder);
  expect({ unetConfig: unet.config, textConfig: textEncoder.config, schedulerConfig: scheduler }).toEqual({
    unetConfig: configs.unetConfig,
    textConfig: configs.textConfig,
    schedulerConfig: configs.schedulerConfig,
  });
});
