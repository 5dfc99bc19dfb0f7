/** One device, as the key of a map: its id alone is unique within its tenant only. */
export function deviceKey(tenantId: string, deviceId: string): string {
  return `${tenantId}/${deviceId}`;
}
