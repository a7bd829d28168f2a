/**
 * Phrases whose numbers were not measured: definitions, settings, limits and facts of others. In the documents that stand
 * here any other number with a unit names the file that it comes from, see numbers.ts; pages that a script writes do not.
 */
export const givenNumbers: Readonly<Record<string, readonly string[]>> = {
  "README.md": ["a 95 % interval"],
  "docs/backends.md": ["on most cards 2 GiB or more", "at most 1.25 times that"],
  "docs/distributed.md": [
    "the next 64 MiB are read",
    "of which messages get 80 %",
    "30 µs a message",
    "written back at 20 GB/s",
  ],
  "docs/evaluation.md": [
    "(6 GB) and",
    "20 kB a picture, 0.6 GB for 30,000",
    "82 MB of features",
    "a 95 % interval",
    "whose rate is 100 times too small",
  ],
  "docs/alpha/README.md": ["bars are 95 % intervals", "half of a 95 % interval"],
  "docs/extending.md": [],
  "docs/faq.md": [],
  "docs/guide.md": ["seeds with 95 % intervals", "in pieces of 64 MB", "300 MiB in tensors of 20 MiB"],
  "docs/methods.md": ["no text in 10 %", "a = .8, s = .6"],
  "docs/performance.md": ["the 4 GiB that WASM can address", "a third of a second at 100 GFLOP/s"],
  "docs/stable-diffusion.md": [
    "a model of 3.6 MB",
    "Node reads none of more than 537 MB",
    "cannot hold more than 4 GB",
    "where all scores are more than 64 MB",
    "do not fit into WASM's 4 GB",
  ],
};
