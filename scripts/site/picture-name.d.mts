export const landingPicture: string;
export function pictureName(): string;
