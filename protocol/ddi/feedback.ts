import { z } from 'zod';
import { assertNever } from '../../domain/assert-never.js';
import { shortened } from '../../domain/shortened.js';
import type { ReportEvent } from '../../domain/installation/events.js';
import type { Installation } from '../../domain/installation/installation.js';

const EXECUTIONS = [
  'closed',
  'proceeding',
  'canceled',
  'scheduled',
  'rejected',
  'resumed',
  'download',
  'downloaded',
] as const;

/** One line of text, or many: clients send both (docs/contracts/hawkbit-ddi.md, "Feedback"). */
const details = z
  .union([z.array(z.string()), z.string().transform((one) => [one])])
  .nullish()
  .transform((lines) => lines ?? []);
const code = z.int().nullish();

/** The body of a feedback. Everything else in it is ignored: clients send `id`, `time` and more. */
export const feedback = z
  .object({
    status: z.object({
      execution: z.enum(EXECUTIONS),
      result: z.object({ finished: z.enum(['success', 'failure', 'none']) }),
      code,
      details,
    }),
  })
  .meta({
    id: 'HawkbitFeedback',
    example: { status: { execution: 'closed', result: { finished: 'success' }, details: ['installed'] } },
  });
/** What a device said of an action, parsed. */
export type Feedback = z.output<typeof feedback>['status'];

/** The body of an answer to an action that waits for a person at the device. */
export const confirmation = z
  .object({ confirmation: z.enum(['confirmed', 'denied']), code, details })
  .meta({ id: 'HawkbitConfirmation', example: { confirmation: 'confirmed' } });

/** Where the installation of an action stands when a feedback comes. */
export type Standing = Pick<Installation, 'state' | 'gate' | 'progress'>;

/** What SWUpdate says once everything is written and the next boot is bound to it: it waits for the reboot. */
const WAITS_FOR_REBOOT = 'All Chunks Installed.';

/**
 * What a feedback on `deploymentBase` means to the installation (docs/contracts/hawkbit-ddi.md, "Feedback").
 * @returns undefined where it is for the record only
 */
export function reportOf(said: Feedback, at: Standing): ReportEvent | undefined {
  switch (said.execution) {
    case 'closed':
      if (said.result.finished === 'failure') return { type: 'failed', error: failureOf(said, at) };
      // Offered with `update: skip` there is nothing to install yet: it has done what was asked.
      return { type: at.gate === 'hold' ? 'downloaded' : 'installed' };
    case 'rejected':
      return { type: 'rejected', reason: textOf(said, 'the device rejected the installation') };
    case 'download':
      return { type: 'downloading' };
    case 'downloaded':
      return { type: 'downloaded' };
    case 'proceeding':
    case 'resumed':
      return said.details.includes(WAITS_FOR_REBOOT) && at.gate === 'go' ? { type: 'rebooting' } : proceeding(at);
    case 'scheduled':
      return hasContent(at) && at.gate === 'go' ? { type: 'rebooting' } : proceeding(at);
    case 'canceled': // a cancellation is answered at `cancelAction`
      return undefined;
    default:
      return assertNever(said.execution);
  }
}

/** It is at work: on what, the bytes that it has taken say. */
function proceeding(at: Standing): ReportEvent {
  if (!hasContent(at)) return { type: 'accepted' };
  return { type: at.gate === 'hold' ? 'downloaded' : 'installing' };
}

/** Whether all bytes were sent to it, or it said so itself. */
function hasContent({ state, progress }: Standing): boolean {
  if (state === 'downloaded' || state === 'installing' || state === 'rebooting') return true;
  return progress !== null && progress.total > 0 && progress.bytes >= progress.total;
}

function failureOf(said: Feedback, at: Standing): { code: string; message: string } {
  const error =
    at.state === 'rebooting' ? 'BOOT_FAILED_ROLLED_BACK' : hasContent(at) ? 'INSTALL_FAILED' : 'DOWNLOAD_FAILED';
  return { code: error, message: textOf(said, 'the device reported a failure without a reason') };
}

/** Room for the code before it (domain/installation/policy.ts: REASON_CHARACTERS). */
const TEXT_CHARACTERS = 200;

function textOf({ details: lines, code: number }: Feedback, otherwise: string): string {
  const last = lines.filter((line) => line.trim() !== '').join('; ');
  const text = last === '' ? otherwise : last;
  return shortened(typeof number === 'number' ? `${text} (code ${number})` : text, TEXT_CHARACTERS);
}

/**
 * What an answer to a cancellation means (docs/contracts/hawkbit-ddi.md, "Cancellation"). SWUpdate says `closed`
 * whatever it has done. Where it waits for its reboot everything is written, and its next boot is the new content: that
 * is too late, and what it says after the reboot must find its action open.
 * @returns undefined where it is for the record only
 */
export function cancelReportOf(said: Feedback, { state }: Pick<Standing, 'state'>): ReportEvent | undefined {
  const { execution } = said;
  const isStopped = execution === 'closed' && said.result.finished !== 'failure';
  if (isStopped && state !== 'rebooting') return { type: 'canceled' };
  if (execution !== 'closed' && execution !== 'rejected') return undefined;
  const otherwise = isStopped
    ? 'everything is written, and the next boot is bound to it'
    : 'the device refused to cancel';
  return { type: 'failed', error: { code: 'CANCEL_TOO_LATE', message: textOf(said, otherwise) } };
}

/** Lines that are kept of one feedback: SWUpdate sends up to 48. */
const MOST_LINES = 48;

/** What of a feedback people read, one text for each line. */
export function linesOf({ details: lines, code: number }: Pick<Feedback, 'details' | 'code'>): string[] {
  const kept = lines.slice(0, MOST_LINES);
  return typeof number === 'number' ? [...kept, `Device reported status code: ${number}`] : kept;
}
