import { SlipwayError } from '../../client/index.js';

/** What a script reads of `$?` (docs/cli.md, "Exit codes"). */
export const EXIT = {
  done: 0,
  failed: 1,
  /** Arguments, a plan or a file that are not valid. */
  usage: 2,
  /** The state of the thing does not allow it: 409, 412, 423. */
  refused: 3,
  /** There is no such thing, or it belongs to another tenant. */
  unknown: 4,
  noAccess: 5,
  /** The API did not answer, or cannot do its work now. */
  away: 6,
  /** The rollout that was watched ended, and not every device has the content. */
  endedBadly: 7,
  paused: 8,
  /** What was waited for did not happen in time; the number is that of coreutils' timeout. */
  late: 124,
} as const;

/** A key of EXIT. */
export type Exit = keyof typeof EXIT;

/** Ends the program with a sentence and what to do next; the command line found it out by itself. */
export class CliError extends Error {
  override readonly name = 'CliError';

  constructor(
    readonly exit: Exit,
    message: string,
    /** A sentence, or a command to run. '' = the message says it. */
    readonly next = '',
  ) {
    super(message);
  }
}

/** An error as it is printed: the sentence, a line for each fault, and what to do. */
export interface Explained {
  readonly exit: Exit;
  readonly message: string;
  readonly faults: readonly string[];
  readonly next: string;
}

/** What an error means for the person or the script that reads it. */
export function explain(error: unknown): Explained {
  if (error instanceof CliError) return { exit: error.exit, message: error.message, faults: [], next: error.next };
  if (error instanceof SlipwayError) {
    // The sentence of a request with one fault is that fault.
    const faults = (error.problem.errors ?? [])
      .filter(({ detail }) => !error.message.includes(detail))
      .map(({ pointer, detail }) => `${pointer} ${detail}`);
    return { exit: exitOf(error), message: sentenceOf(error), faults, next: nextStep(error) };
  }
  const { message = String(error), code } = Object(error) as { message?: string; code?: string };
  // A file that is not there, or not readable: what the arguments name.
  const isFile = code !== undefined && /^(ENOENT|EACCES|EISDIR|ENOTDIR)$/.test(code);
  return { exit: isFile ? 'usage' : 'failed', message, faults: [], next: isFile ? 'Check the path.' : '' };
}

function sentenceOf({ status, message }: SlipwayError): string {
  return status === 0 ? `The API does not answer: ${message}` : message;
}

function exitOf({ status, code }: SlipwayError): Exit {
  if (status === 0 || status === 502 || status === 503 || status === 504) return 'away';
  // The API answers alike for what is not there and what belongs to another tenant.
  if (status === 404 || status === 410 || code === 'FIRMWARE_NO_ACCESS_TO_RESOURCE') return 'unknown';
  if (status === 401 || status === 403) return 'noAccess';
  if (status === 409 || status === 412 || status === 423) return 'refused';
  return status === 400 || status === 422 ? 'usage' : 'failed';
}

/** By code; a code that is not here goes by what it begins with, or by its status. */
const NEXT: Readonly<Record<string, string>> = {
  AUTH_FORBIDDEN: 'See what your key may do: slipway me',
  AUTH_GRANT_EXCEEDED: 'See what your key may do: slipway me',
  AUTH_KEY_NOT_FOUND: 'See the keys: slipway key list',
  AUTH_KEY_STATE: 'See the keys: slipway key list',
  AUTH_KEY_LAST_OWNER: 'Make another key first: slipway key create --name NAME --role owner',
  TENANT_SUSPENDED: 'Ask the operator of the installation: slipway tenant resume TENANT',
  TENANT_NOT_FOUND: 'See the tenants: slipway tenant list',
  TENANT_EXISTS: 'See the tenants: slipway tenant list',
  FIRMWARE_NO_ACCESS_TO_RESOURCE: 'See what there is: slipway firmware list, slipway installation list',
  FIRMWARE_NOT_ASSOCIATED: 'Allow it: slipway association create --type TYPE --slot SLOT --firmware FIRMWARE',
  FIRMWARE_BLOB_EXISTS: 'Upload it as another version: slipway firmware upload FILE --name NAME --version VERSION',
  FIRMWARE_IN_USE: 'See where: slipway firmware used-by FIRMWARE. With --force its installations are canceled.',
  FIRMWARE_INSTALLATION_STATE: 'See how it stands: slipway installation show INSTALLATION',
  FIRMWARE_INSTALLATION_CONFLICT: 'See what is open: slipway installation list --device DEVICE',
  DEVICE_NOT_FOUND: 'See the devices: slipway device list',
  DEVICE_IN_USE: 'With --force its open installations are canceled.',
  DEVICE_CREDENTIAL_LIMIT: 'Revoke one first: slipway credential revoke DEVICE CREDENTIAL',
  DEVICE_CREDENTIAL_NOT_FOUND: 'See them: slipway credential list DEVICE',
  DEVICE_CERTIFICATE_NOT_FOUND: 'See them: slipway certificate list DEVICE',
  DEVICETYPE_NOT_FOUND: 'See the types: slipway type list',
  DEVICETYPE_SLOT_NOT_FOUND: 'See its slots: slipway type show TYPE',
  DEVICETYPE_ASSOCIATION_EXISTS: 'It is allowed already; nothing is left to do.',
  DEVICETYPE_ASSOCIATION_NOT_FOUND: 'See them: slipway association list --type TYPE --slot SLOT',
  DEVICETYPE_IN_USE: 'See them: slipway device list --type TYPE',
  ROLLOUT_NOT_FOUND: 'See the rollouts: slipway rollout list',
  ROLLOUT_STATE: 'See how it stands: slipway rollout show ROLLOUT',
  ROLLOUT_TEMPLATE_NOT_FOUND: 'See the templates: slipway template list',
  ROLLOUT_SIMULATION_LIMIT: 'Try again in some seconds.',
  WEBHOOK_NOT_FOUND: 'See the webhooks: slipway webhook list',
  WEBHOOK_DELIVERY_NOT_FOUND: 'See the deliveries: slipway webhook deliveries WEBHOOK',
  ENROLMENT_TOKEN_NOT_FOUND: 'See the tokens: slipway enrolment token list',
  ENROLMENT_NOT_FOUND: 'See the enrolments: slipway enrolment list',
  ENROLMENT_NOT_PENDING: 'See how they stand: slipway enrolment list',
  JOB_NOT_FOUND: 'See the jobs: slipway job list',
  REQUEST_PRECONDITION_FAILED: 'It has moved on. Look at it again, and repeat.',
};

function nextStep({ status, code, problem }: SlipwayError): string {
  const known = NEXT[code];
  if (known !== undefined) return known;
  if (status === 0) return 'Check the address (slipway profile list) and that the service runs.';
  if (status === 401) return 'Sign in again: slipway login URL';
  if (status === 403) return 'See what your key may do: slipway me';
  if (status === 429) {
    const { retryAfter } = problem as { retryAfter?: number };
    return retryAfter === undefined ? 'Try again later.' : `Try again in ${retryAfter} s.`;
  }
  if (status === 400 || status === 422) return 'Correct it and try again; --help has an example.';
  if (status >= 500) return 'Try again. If it stays, GET /health/ready?all=true says which part is down.';
  return code === '' ? 'Check the address: slipway profile list' : `docs/errors.md explains ${code}.`;
}
