/** Pixels along one side of an image. */
export const side = 8;
/** Shape of one image: height, width and the channels red, green, blue. */
export const imageShape = [side, side, 3] as const;

/** Mean and deviation of all coloured pixels; images go through the networks as `(pixel − mean) / deviation`. */
export const pixelMean = 0.1774;
export const pixelDeviation = 0.2899;

/** The byte that a screen shows for a standardised value; what is out of range is clipped. */
export function pixelByte(value: number): number {
  return Math.round(255 * Math.min(1, Math.max(0, value * pixelDeviation + pixelMean)));
}
