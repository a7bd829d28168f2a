import { miniature } from "../text-to-image/miniature";
import { captionWords } from "./captions";
import { format } from "./pictures";

export const { unetConfig, textConfig, schedulerConfig } = miniature({
  pictures: format,
  words: captionWords,
  channels: [48, 64],
  textWidth: 64,
  textHeads: 4,
  tokens: 10,
  predictionType: "v_prediction",
});
