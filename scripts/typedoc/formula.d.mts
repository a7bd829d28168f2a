export function setFormula(html: string): string;
