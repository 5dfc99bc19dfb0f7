/** A UUID of any version, in either case. */
export const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Whether the text is a UUID of any version, in either case. Rows and topics hold the lower case. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}
