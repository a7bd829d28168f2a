/** The category of what the files under a path of src/ export; the first that fits. In the order of the pages. */
export const categories = [
  ["schedules/timestep-laws", "Laws of the times"],
  ["schedules/ddim-timesteps", "Sampling"],
  ["schedules/from-config", "diffusers' files"],
  ["schedules/", "Schedules"],

  ["predict/convert", "Kinds of prediction"],
  ["predict/coordinates", "Coordinates"],
  ["predict/", "Noise"],

  ["guidance/strategies", "Strategies"],
  ["guidance/", "Guidance of one prediction"],

  ["losses/sid", "The generator's loss"],
  ["losses/weights", "The generator's loss"],
  ["losses/fake-score", "The fake score's loss"],
  ["losses/nan-policy", "Values that are not finite"],
  ["losses/", "Both losses"],

  ["models/types", "What training knows"],
  ["models/sd/lora", "Low-rank adapters"],
  ["models/sd/vae", "Autoencoder"],
  ["models/text/", "Text"],
  ["models/unet/", "U-Net"],
  ["models/config/", "U-Net"],
  ["models/nn/", "U-Net"],
  ["models/toy/", "Small networks and known laws"],
  ["models/weights/", "Weights"],
  ["models/", "Making and asking models"],

  ["train/distill", "The whole loop"],
  ["train/conditions", "The whole loop"],
  ["train/adam", "Optimiser and average"],
  ["train/ema", "Optimiser and average"],
  ["train/", "One step"],

  ["io/model-folder", "Model folders"],
  ["io/open-component", "Model folders"],
  ["io/component-files", "Model folders"],
  ["io/file-tree", "Places of folders"],
  ["io/hub-folder", "Places of folders"],
  ["io/safetensors", "safetensors"],
  ["io/open-safetensors", "safetensors"],
  ["io/files", "safetensors"],
  ["io/", "Sources of bytes"],

  ["memory/", "Memory"],
  ["metrics/", "Distances"],
  ["backends/", "Backends"],

  ["core/errors", "Errors"],
  ["core/random", "Random numbers"],
  ["core/host-tensor", "Weights in host memory"],
  ["core/tape", "Gradients"],
  ["core/checkpoint", "Gradients"],
  ["core/gradient", "Gradients"],
  ["core/", "Per sample"],
];
