import { X509Certificate } from 'node:crypto';
import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import type { Log } from './log.js';
import type { Part } from './health/parts.js';
import type { TlsFiles } from './tls-settings.js';

/** Certificates are renewed by renaming files or by moving a link: both are seen by looking, not by being told. */
const LOOK_EVERY_MS = 2_000;
const DAY_MS = 86_400_000;
/** From here on a certificate is spoken of in health: renewal that works by itself is done by then. */
const WARN_DAYS = 30;
/** From here on it is said with the word "soon". */
const URGENT_DAYS = 7;
/** TLS 1.0 and 1.1 are deprecated (RFC 8996). */
const OLDEST = 'TLSv1.2';

/**
 * The certificate and key of a listener, read again when their files change. What cannot be used is never taken: the
 * listener goes on with what it has, health and the log say why. Owned by the process that listens; `close` ends the
 * looking.
 */
export class Certificates {
  private current: SecureContextOptions;
  private fault: string | undefined;
  private readonly receivers = new Set<(context: SecureContextOptions) => void>();
  private readonly paths: string[];
  private readonly look = (): void => this.reload();

  /** @throws a sentence where the files cannot be used. */
  constructor(
    private readonly files: TlsFiles,
    private readonly log: Log,
    lookEveryMs = LOOK_EVERY_MS,
  ) {
    this.current = read(files);
    this.paths = [files.certPath, files.keyPath];
    for (const path of this.paths) watchFile(path, { interval: lookEveryMs, persistent: false }, this.look);
  }

  /** For `createServer` of `node:tls` and `node:https`. */
  get context(): SecureContextOptions {
    return this.current;
  }

  /** Calls with each new context. Connections that are open keep the one that they began with. */
  onRenewed(receive: (context: SecureContextOptions) => void): void {
    this.receivers.add(receive);
  }

  /** Milliseconds since 1970 at which the certificate ends. */
  get expiresAt(): number {
    return Date.parse(new X509Certificate(String(this.current.cert)).validTo);
  }

  /** A sentence where the certificate has ended. */
  against(now: number): string | undefined {
    if (now < this.expiresAt) return undefined;
    return `the certificate of ${this.files.certPath} ended ${new Date(this.expiresAt).toISOString()}: clients refuse it. Renew it; the files are read again by themselves`;
  }

  /** A sentence for an operator to act upon, while it still works. */
  remark(now: number): string | undefined {
    if (this.fault !== undefined) return this.fault;
    const when = endsSoon(this.expiresAt, now);
    return when && `the certificate of ${this.files.certPath} ${when}: renew it`;
  }

  close(): void {
    for (const path of this.paths) unwatchFile(path, this.look);
    this.receivers.clear();
  }

  /** Certificate and key are two files, and for a moment only one is new: then the next look finds both. */
  private reload(): void {
    try {
      this.current = read(this.files);
    } catch (error) {
      this.fault = `the new files of TLS cannot be used, the ones before stay: ${(error as Error).message}`;
      this.log.error({ err: error }, this.fault);
      return;
    }
    this.fault = undefined;
    this.log.info({ until: new Date(this.expiresAt).toISOString() }, 'the certificate was read again');
    for (const receive of this.receivers) receive(this.current);
  }
}

/** When something ends, from 30 days before on, and with the word "soon" from 7; undefined before that. */
function endsSoon(expiresAt: number, now: number): string | undefined {
  const days = Math.floor((expiresAt - now) / DAY_MS);
  if (days >= WARN_DAYS) return undefined;
  const at = new Date(expiresAt).toISOString();
  if (days < 0) return `ended ${at}`;
  return days < URGENT_DAYS ? `ends soon, in ${days} days (${at})` : `ends in ${days} days (${at})`;
}

/**
 * The sentence about the authority that issues certificates of devices. It lasts for decades: all that it issued ends
 * with it, so that another file is needed before, and devices enrol again.
 * @param expiresAt epoch milliseconds; undefined where there is none yet
 */
export function authorityRemark(expiresAt: number | undefined, now: number): string | undefined {
  const when = expiresAt === undefined ? undefined : endsSoon(expiresAt, now);
  return when && `the authority of devices' certificates ${when}, and with it all that it issued`;
}

/**
 * TLS of a process as a part of its health. Without TLS it is one only where others could listen in.
 * @param plain the sentence about that.
 * @param ofAuthority the sentence about the authority of devices' certificates.
 */
export function tlsPart(
  certificates: Certificates | undefined,
  plain: string | undefined,
  ofAuthority: () => Promise<string | undefined> = async () => undefined,
): Part[] {
  const name = 'tls';
  if (certificates !== undefined)
    return [
      {
        name,
        check: async () => certificates.against(Date.now()),
        remark: async () => certificates.remark(Date.now()) ?? (await ofAuthority()),
      },
    ];
  return plain === undefined ? [] : [{ name, check: async () => undefined, remark: async () => plain }];
}

function read({ certPath, keyPath }: TlsFiles): SecureContextOptions {
  const context: SecureContextOptions = {
    cert: text(certPath, 'SLIPWAY_TLS_CERT_PATH'),
    key: text(keyPath, 'SLIPWAY_TLS_KEY_PATH'),
    minVersion: OLDEST,
  };
  try {
    createSecureContext(context);
  } catch (error) {
    throw new Error(`${certPath} and ${keyPath} are no certificate and its key, in PEM: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return context;
}

function text(path: string, setting: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(`${path} cannot be read (${setting}): ${(error as Error).message}`, { cause: error });
  }
}
