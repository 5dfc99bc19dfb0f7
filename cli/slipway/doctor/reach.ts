import { fault, look, well, type Finding } from './finding.js';

/** A load balancer or a proxy may wait for a backend; after this time it is away. */
const ANSWER_MS = 10_000;
/** Tokens, certificates and links with a signature go wrong by minutes; `Date` is cut to the second. */
const CLOCK_MS = 60_000;

/** What an answer said, with the clocks of both sides. */
export interface Reached {
  readonly status: number;
  /** Parsed where it is JSON. */
  readonly body: unknown;
  /** By how many milliseconds this machine's clock is ahead of the service's; undefined = it sent no `Date`. */
  readonly ahead: number | undefined;
}

/** A request without a sign-in. @throws what `fetch` throws */
export async function reach(url: string): Promise<Reached> {
  const asked = Date.now();
  const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS), redirect: 'manual' });
  const text = await response.text();
  const date = Date.parse(response.headers.get('date') ?? '');
  // Somewhere between the question and the answer the service looked at its clock.
  const here = (asked + Date.now()) / 2;
  return { status: response.status, body: parsed(text), ahead: Number.isNaN(date) ? undefined : here - date };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return text;
    throw error;
  }
}

/** Both clocks. Which of them is right cannot be seen from here. */
export function clockFinding(ahead: number): Finding {
  const seconds = Math.round(Math.abs(ahead) / 1_000);
  if (Math.abs(ahead) < CLOCK_MS) return well('clock', 'as the clock of the service');
  const span = seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} minutes`;
  return fault(
    'clock',
    `this machine's clock is ${span} ${ahead > 0 ? 'ahead of' : 'behind'} the clock of the service`,
    'See which one is wrong (timedatectl, on both), and let it be set by NTP. Sign-in and signed links fail meanwhile.',
  );
}

/** By the code of the error below `fetch failed`. */
const REASONS: readonly (readonly [codes: RegExp, says: string, next: string])[] = [
  [
    /^(ENOTFOUND|EAI_AGAIN)$/,
    'the name of the host is not known',
    'Correct the address (slipway profile list), or the DNS of this machine.',
  ],
  [
    /^ECONNREFUSED$/,
    'nothing listens at this address',
    'Start the API (npm start in its folder, or its unit); is the port right? slipway profile list',
  ],
  [
    /^(ETIMEDOUT|UND_ERR_CONNECT_TIMEOUT|EHOSTUNREACH|ENETUNREACH|23|ABORT_ERR)$/,
    'no answer',
    'Is there a firewall or a VPN in between, and does the machine of the service run?',
  ],
  [
    /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_)/,
    'its certificate comes from an authority that this machine does not know',
    'Name the authority: NODE_EXTRA_CA_CERTS=/path/to/ca.pem slipway doctor',
  ],
  [/^CERT_HAS_EXPIRED$/, 'its certificate has ended', 'Renew it: the service reads its files again by itself.'],
  [
    /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    'its certificate is of another name',
    'Use the name that stands in the certificate, or issue one with this name.',
  ],
  [
    /^(EPROTO|ERR_SSL_)/,
    'it does not speak TLS at this address',
    'Is it an http:// address? The port for TLS is SLIPWAY_HTTPS_PORT.',
  ],
];

/** Why the service is not reached. */
export function unreachable(url: string, error: unknown): Finding {
  const { code, message } = root(error);
  const known = REASONS.find(([codes]) => codes.test(code));
  if (known !== undefined) return fault('service', `${url} is not reached: ${known[1]} (${code})`, known[2]);
  return fault('service', `${url} is not reached: ${message}`, 'Check the address: slipway profile list');
}

function root(error: unknown): { code: string; message: string } {
  const { cause, errors, code, message } = Object(error) as {
    cause?: unknown;
    errors?: readonly unknown[];
    code?: unknown;
    message?: string;
  };
  if (errors?.[0] !== undefined) return root(errors[0]);
  if (cause !== undefined) return root(cause);
  return { code: typeof code === 'string' || typeof code === 'number' ? String(code) : '', message: message ?? '' };
}

/** Keys that go over the wire in the clear. */
export function plainFinding(url: string): Finding | undefined {
  const { protocol, hostname } = new URL(url);
  if (protocol === 'https:' || /^(localhost|127\..*|\[::1\])$/.test(hostname)) return undefined;
  return look(
    'address',
    `keys go to ${hostname} in the clear`,
    'Use its https:// address; docs/operations.md has TLS.',
  );
}
