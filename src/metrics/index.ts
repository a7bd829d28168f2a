/**
 * Distances between sets of samples, in plain numbers: Fréchet's and the sliced Wasserstein distance.
 *
 * @module sid-lsg/metrics
 */
export { type FeatureStatistics, featureStatistics, frechetDistance } from "./frechet";
export { type SlicedWassersteinOptions, slicedWasserstein } from "./sliced-wasserstein";
