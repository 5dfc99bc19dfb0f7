import type { Device } from './installation.js';

/** Why an installation is not offered to its device: it ends with this code and sentence. */
export interface Unfit {
  readonly code: 'TOO_LARGE' | 'HASH_UNSUPPORTED' | 'TYPE_CONTRADICTED';
  readonly message: string;
}

/** How people call the type of a device: its id, name and model, and what the device may say in their place. */
export interface TypeNames {
  readonly id: string;
  readonly name: string;
  readonly model: string | null;
  readonly reportsAs: string | null;
}

/**
 * What a device says of its type, where that contradicts what is stored of it: a sentence. One that says nothing
 * contradicts nothing. The case of letters does not count.
 */
export function contradictionOf(said: string | null, type: TypeNames): string | undefined {
  if (said === null) return undefined;
  const names = [type.id, type.name, type.model, type.reportsAs].filter((one) => one !== null);
  if (names.some((one) => one.toLowerCase() === said.toLowerCase())) return undefined;
  return `the device says that its type is "${said}", and it is stored as "${type.name}"; change info.deviceTypeId, or set info.reportsAs to "${said}" where that is its name for the same type`;
}

/**
 * Whether the device can take the content (docs/contracts/device-mqtt.md, "Payloads"): asked when its turn comes, for
 * each attempt anew.
 * @param firmware its size in bytes; null = it was deleted, which is judged elsewhere
 */
export function unfitFor(
  device: Pick<Device, 'caps' | 'saidType'>,
  type: TypeNames,
  firmware: { readonly size: number | null },
): Unfit | undefined {
  const contradiction = contradictionOf(device.saidType, type);
  if (contradiction !== undefined) return { code: 'TYPE_CONTRADICTED', message: contradiction };
  const { maxSize, hash } = device.caps ?? {};
  if (hash !== undefined && !hash.some(isSha256))
    return {
      code: 'HASH_UNSUPPORTED',
      message: `the device checks ${hash.length === 0 ? 'no hash' : hash.join(', ')} by its own word, and documents name the SHA-256`,
    };
  if (maxSize !== undefined && firmware.size !== null && firmware.size > maxSize)
    return {
      code: 'TOO_LARGE',
      message: `the content has ${firmware.size} bytes, and the device takes ${maxSize} at most`,
    };
  return undefined;
}

/** In any of its spellings: sha256, SHA-256, sha2-256. */
function isSha256(name: string): boolean {
  return ['sha256', 'sha2256'].includes(name.toLowerCase().replaceAll(/[^a-z0-9]/g, ''));
}
