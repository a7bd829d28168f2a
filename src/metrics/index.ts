/**
 * Measures of samples and of pictures' features, in plain numbers: no tensors, no backend.
 *
 * Features come as flat arrays, one vector after another, with their `dimension`, as a tensor `[count, dimension]` reads
 * out. Which measure needs what:
 *
 * - In a stream, with memory that does not grow: Fréchet distance (FID's law) by {@link featureMoments}, Inception Score
 *   by {@link inceptionMoments}, CLIP score by {@link mergeClipScores}. Their states are plain data: save them, resume
 *   from them, merge those of shards.
 * - With all features, 4 bytes a number (246 MB for 30,000 of 2048): {@link kernelDistance} (KID's law),
 *   {@link neighbourMetrics} (precision, recall, density, coverage), {@link retrievalAccuracy}, {@link slicedWasserstein}.
 *   Those of shards are concatenated. They compute in blocks and take some 10 MB more.
 *
 * Statistics lie in `.npz` files as pytorch-fid and clean-fid have them: {@link readStatistics}, {@link writeStatistics}.
 *
 * @module sid-lsg/metrics
 */
export {
  type ClipScore,
  type ClipScoreOptions,
  clipScore,
  mergeClipScores,
  type RetrievalAccuracy,
  type RetrievalAccuracyOptions,
  retrievalAccuracy,
} from "./clip-score";
export { type FrechetDistanceOptions, frechetDistance } from "./frechet";
export {
  type InceptionMoments,
  type InceptionMomentsOptions,
  type InceptionMomentsState,
  type InceptionScoreOptions,
  type InceptionScores,
  inceptionMoments,
  inceptionScore,
  type LogitRows,
} from "./inception-score";
export {
  type KernelDistanceOfSubsetsOptions,
  type KernelDistanceOptions,
  type KernelDistances,
  kernelDistance,
  kernelDistanceOfSubsets,
} from "./kernel-distance";
export {
  type FeatureMoments,
  type FeatureMomentsOptions,
  type FeatureMomentsState,
  type FeatureStatistics,
  type FeatureStatisticsOptions,
  featureMoments,
  featureStatistics,
} from "./moments";
export { type NeighbourMetrics, type NeighbourMetricsOptions, neighbourMetrics } from "./neighbours";
export { type SlicedWassersteinOptions, slicedWasserstein } from "./sliced-wasserstein";
export { decodeStatistics, encodeStatistics, readStatistics, writeStatistics } from "./statistics-file";
