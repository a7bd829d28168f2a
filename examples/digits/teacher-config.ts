import { miniature } from "../text-to-image/miniature";
import { captionWords } from "./captions";
import { format } from "./digits";

export const { unetConfig, textConfig, schedulerConfig } = miniature({
  pictures: format,
  words: captionWords,
  channels: [24, 32],
  textWidth: 32,
  textHeads: 2,
  tokens: 8,
  predictionType: "epsilon",
});
