export { type FeatureStatistics, featureStatistics, frechetDistance } from "./frechet";
export { type SlicedWassersteinOptions, slicedWasserstein } from "./sliced-wasserstein";
