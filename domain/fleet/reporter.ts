/**
 * Who said something about a device, in words: sentences claim no source that was not one. `by` is `device:<node>`,
 * `operator:<key>`, `rollout:<id>`, `process`, `planner` or `service`, as the history has it.
 * @param deviceId whose history it is; where it is absent, a device speaks for itself
 * @returns 'the device', 'its gateway', 'operator …'; undefined = the service concluded it by itself
 */
export function reporterOf(by: string | undefined, deviceId?: string): string | undefined {
  if (by === undefined) return undefined;
  if (by.startsWith('device:'))
    return deviceId === undefined || by === `device:${deviceId.toLowerCase()}` ? 'the device' : 'its gateway';
  if (by.startsWith('operator:')) return `operator ${by.slice('operator:'.length)}`;
  return undefined;
}
