/**
 * As many characters of a text as may be, the last of them an ellipsis where it was longer. No character is cut in
 * half: what cannot be stored would be lost as a whole.
 */
export function shortened(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}
