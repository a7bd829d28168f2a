/** What a run is trained and measured with, loaded from the quick start's files. */
import { decodeSafetensors, urlFolder } from "sid-lsg/io";
import type { Unet } from "sid-lsg/models";
import { emoji } from "../../quickstart/emoji";
import { drawPictures, stampsOf } from "../../quickstart/pictures";
import type { Canvas } from "../../text-to-image/canvas";
import { type Classifier, createClassifier, judgeConfig } from "../../text-to-image/classifier";
import { type ModelFolder, makeText, makeUnet, readFolder, type Text } from "../../text-to-image/model-folder";
import { sampleShape } from "../../text-to-image/picture-format";
import type { RealPictures } from "../../text-to-image/world";

interface Stage {
  readonly model: ModelFolder;
  readonly networks: { readonly unet: Unet; readonly text: Text; readonly pictures: ModelFolder["pictures"] };
  readonly judge: Classifier;
  readonly real: RealPictures;
  readonly sampleShape: readonly number[];
}

/** Loads the quick start's files; what is to be disposed of is added to `used`, and each batch of pictures is a sign of life. */
export async function loadStage(files: string, used: { dispose(): void }[], alive: () => void): Promise<Stage> {
  const own = <T extends { dispose(): void }>(x: T): T => {
    used.push(x);
    return x;
  };
  const model = await readFolder(urlFolder(new URL("quickstart/teacher", files)));
  const { tensors } = decodeSafetensors(await download(new URL("quickstart/judge.safetensors", files)));
  const stamps = stampsOf(await download(new URL("emoji.png", files)));
  return {
    model,
    networks: {
      unet: own(makeUnet(model, "teacher")),
      text: own(makeText(model, "text")),
      pictures: model.pictures,
    },
    judge: own(createClassifier(judgeConfig(emoji.pictures.size, emoji.aspects), tensors)),
    real: {
      draw(scenes, stream) {
        alive();
        return drawPictures(stamps, scenes as Parameters<typeof drawPictures>[1], stream);
      },
    },
    sampleShape: sampleShape(emoji.pictures),
  };
}

async function download(address: URL): Promise<Uint8Array> {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address.href} cannot be loaded: ${response.status}.`);
  return new Uint8Array(await response.arrayBuffer());
}

/** Bytes of a picture on the page. */
export const pictureBytes = 4 * emoji.pictures.size ** 2;

/** Red, green, blue and 255 for each pixel of all pictures. */
export function toPixels(pictures: readonly Canvas[]): Uint8ClampedArray<ArrayBuffer> {
  const pixels = new Uint8ClampedArray(pictures.length * pictureBytes).fill(255);
  pictures.forEach(({ data }, n) => {
    data.forEach((value, i) => {
      pixels[n * pictureBytes + 4 * Math.floor(i / 3) + (i % 3)] = value;
    });
  });
  return pixels;
}
