import { dispose } from "@tensorflow/tfjs-core";
import { lora } from "sid-lsg/models/sd";
import { shown } from "../../common/paths";
import { readAdapter } from "../adapter";
import type { GenerateSettings } from "../generate-options";
import { decodePictures, type Picture } from "../grid";
import { openImageFolder } from "../images/open";
import { loadParts, openModel } from "../model";
import { firstPrompts, planPictures } from "../pictures";
import { openPrompts } from "../prompts/open";
import { showPrompts } from "../prompts/show";
import { makeSampler, samplingOf } from "../sampler";
import { parseSeeds } from "../seeds";
import { fingerprint } from "./fingerprint";
import type { SetJob } from "./set";

/** Pictures with their captions, each made or read when it is asked for. */
export interface PictureSource {
  readonly total: number;
  /** What makes its pictures other pictures. */
  readonly identity: SetJob["pictures"];
  caption(index: number): string;
  /** Makes ready what takes long. */
  start(): Promise<Artist>;
  close(): void;
}

export interface Artist {
  pictures(indices: readonly number[]): Promise<readonly Picture[]>;
  dispose(): void;
}

/** A picture of each caption, caption `i` from 0 with seed `i + offset`, as `sd:generate --seed-per-prompt` draws it. */
export async function generatorSource(settings: GenerateSettings, offset: number): Promise<PictureSource> {
  const file = await openPrompts(settings.prompts as string, settings.captionKey);
  try {
    showPrompts(file);
    const prompts = firstPrompts(file, settings.first);
    const seeds = parseSeeds(`${offset}-${offset + prompts.length - 1}`);
    const plan = planPictures(prompts, { seeds, seedPerPrompt: true });
    const sampling = samplingOf(settings);
    const model = await openModel(settings.place);
    const { adapter, place, resolution } = settings;
    const change = adapter === undefined ? undefined : await readAdapter(adapter, model.configs.unet);
    model.checkPrompts(prompts);
    return {
      total: plan.count,
      identity: {
        captions: prompts.fingerprint,
        seedOffset: offset,
        model: place.model === undefined ? (place.hub as string) : fingerprint(place.model),
        ...(place.variant !== undefined && { variant: place.variant }),
        ...(adapter !== undefined && { adapter: fingerprint(adapter) }),
        resolution,
        ...sampling,
      },
      caption: (i) => prompts.get(i),
      close: file.close,
      async start() {
        const owned: { dispose(): void }[] = [];
        const own = <T extends { dispose(): void }>(x: T): T => {
          owned.unshift(x);
          return x;
        };
        const end = () => {
          for (const x of owned) x.dispose();
        };
        try {
          const { unet, text, vae } = own(await loadParts(model, ["unet", "text", "vae"]));
          const network = change ? own(lora(unet, { name: "adapter", ...change })) : unet;
          const sampler = own(makeSampler(network, sampling, model, text));
          const side = resolution / model.scale;
          const shape = [1, side, side, model.configs.unet.inChannels];
          return {
            dispose: end,
            async pictures(indices) {
              const orders = indices.map((i) => plan.at(i));
              const cond = text.encode(orders.map(({ prompt }) => prompt));
              const latents = sampler.sample(
                orders.map(({ seed }) => seed),
                shape,
                cond,
              );
              return decodePictures(vae, latents).finally(() => dispose([cond, latents]));
            },
          };
        } catch (error) {
          end();
          throw error;
        }
      },
    };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** How pictures of a folder are taken. */
export interface FolderOptions {
  /** The option that named it. */
  readonly option: "images" | "reference";
  readonly first?: number | undefined;
  readonly captionKey?: string | undefined;
  /** Whether captions are asked for, for CLIP. */
  readonly captions?: boolean | undefined;
}

/** The pictures of a folder, with captions where it has any; grey ones are repeated thrice, as Pillow's `convert("RGB")`. */
export async function folderSource(path: string, options: FolderOptions): Promise<PictureSource> {
  const { option, first, captionKey, captions = false } = options;
  const named = (error: unknown) => new Error((error as Error).message.replace(/^--images:/, `--${option}:`));
  const onWarning = (message: string) => {
    if (captions || !message.includes("no caption")) console.warn(message.replace("--images:", `--${option}:`));
  };
  const folder = await openImageFolder(path, { captionKey, onWarning }).catch((error) => {
    throw named(error);
  });
  if (first !== undefined && first > folder.length)
    throw new Error(`--first: there are ${folder.length} pictures, fewer than ${first}.`);
  const total = first ?? folder.length;
  const bare = Array.from({ length: total }, (_, i) => folder.caption(i)).filter((caption) => caption === "").length;
  if (captions && bare === total)
    throw new Error(
      `--clip: none of the ${total} pictures in ${shown(path)} has a caption to compare it with; give captions in ` +
        "metadata.jsonl or in NAME.txt beside NAME.png, or leave --clip out.",
    );
  return {
    total,
    identity: { folder: folder.fingerprint, ...(captions && bare > 0 && { withoutCaption: bare }) },
    caption: (i) => folder.caption(i),
    close() {},
    async start() {
      return {
        dispose() {},
        async pictures(indices) {
          try {
            return indices.map((i) => folder.picture(i));
          } catch (error) {
            throw named(error);
          }
        },
      };
    },
  };
}
