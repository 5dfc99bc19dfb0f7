import { InstallError } from '../core/installer.js';

/**
 * What a handler's exit code means; 0 is success. They are those of sysexits.h where one fits, so that a script which
 * passes on what a tool returned says something true. Every other code is INSTALL_FAILED, and is tried again: a script
 * seldom knows better.
 */
export const EXIT_CODES: Readonly<Record<number, { readonly code: string; readonly retriable: boolean }>> = {
  65: { code: 'INCOMPATIBLE', retriable: false }, // EX_DATAERR: not for this device
  69: { code: 'CHILD_UNREACHABLE', retriable: true }, // EX_UNAVAILABLE
  70: { code: 'INSTALL_FAILED', retriable: false }, // EX_SOFTWARE: again would end the same way
  73: { code: 'NO_SPACE', retriable: false }, // EX_CANTCREAT
  75: { code: 'BUSY', retriable: true }, // EX_TEMPFAIL
  77: { code: 'SIGNATURE_INVALID', retriable: false }, // EX_NOPERM
  126: { code: 'INSTALL_FAILED', retriable: false }, // the shell's: cannot be executed
  127: { code: 'INSTALL_FAILED', retriable: false }, // the shell's: there is no such command
};

/** How a command ended. `code` null = a signal, or our deadline. */
export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly timedOut: boolean;
  /** false = some of its processes live on: they could not be ended. */
  readonly isOver: boolean;
  /** The last line that it wrote, of errors before the rest; '' where it wrote nothing. */
  readonly lastWords: string;
}

/** @returns undefined for success. */
export function failureOf(
  command: string,
  { code, signal, timedOut, isOver, lastWords }: Ended,
): InstallError | undefined {
  if (code === 0) return undefined;
  const how = timedOut
    ? `took too long and ${isOver ? 'was' : 'could not be'} stopped`
    : `${code === null ? `was ended by ${signal ?? 'a signal'}` : `ended with ${code}`}${isOver ? '' : ', and left behind what could not be ended'}`;
  const known = code === null ? undefined : EXIT_CODES[code];
  return new InstallError(
    known?.code ?? 'INSTALL_FAILED',
    `${command} ${how}${lastWords === '' ? '' : `: ${lastWords.slice(0, 300)}`}`,
    known?.retriable ?? true,
  );
}
