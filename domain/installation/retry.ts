import type { DeviceError } from './events.js';

/**
 * Whether an attempt that failed so may be tried again: by the class of the error, never by hope.
 * `never`: the same bytes on the same device end the same way. `retry`: may pass. `asked`: as the device says, else
 * yes.
 */
export const ERROR_CLASSES = {
  HASH_MISMATCH: 'retry', // fetched again
  DOWNLOAD_FAILED: 'retry',
  BUSY: 'retry',
  CHILD_UNREACHABLE: 'retry', // waits for the child
  INSTALL_FAILED: 'asked',
  NO_SPACE: 'never',
  SIGNATURE_INVALID: 'never',
  INCOMPATIBLE: 'never',
  UNSUPPORTED: 'never',
  BOOT_FAILED_ROLLED_BACK: 'never', // the device tried it and went back: again would cost it another reboot
  VERSION_MISMATCH: 'never', // it has installed something: which content, a person must find out
  ALREADY_INSTALLED: 'never',
} as const satisfies Record<string, 'retry' | 'never' | 'asked'>;

/**
 * Whether the code allows another attempt (docs/contracts/device-mqtt.md, "Error codes"). How many there may be is the
 * policy's matter. Without an error: no.
 */
export function mayRetry(error: DeviceError | undefined): boolean {
  if (!error) return false;
  const known = (ERROR_CLASSES as Record<string, 'retry' | 'never' | 'asked' | undefined>)[error.code] ?? 'unknown';
  switch (known) {
    case 'never':
      return false;
    case 'retry':
    case 'asked':
      return error.retriable !== false;
    default: // a code that we do not know: only where the device asks for it
      return error.retriable === true;
  }
}
