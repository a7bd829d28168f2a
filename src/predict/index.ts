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
