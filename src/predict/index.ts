/**
 * Adds noise, and turns predictions of ε, x0, v, score and flow into one another, at one `x_t` or between coordinates.
 *
 * @module sid-lsg/predict
 */
export {
  type ConversionCoefficients,
  type ConversionKind,
  type ConvertPredictionInputs,
  conversionCoefficients,
  convertPrediction,
  type PredictionTargetInputs,
  predictionTarget,
} from "./convert";
export { type ChangeCoordinatesInputs, type Coordinates, changeCoordinates, type NoisySamples } from "./coordinates";
export { type AddNoiseInputs, addNoise, type NoiseLevel, noiseLevel } from "./level";
