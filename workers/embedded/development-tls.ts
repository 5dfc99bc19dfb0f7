import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { makeAuthority, makeServerCertificate } from '../../adapters/authority/x509.js';
import type { TlsFiles } from '../../runtime/tls-settings.js';
import { makePrivateFolder, readFileIfAny, writePrivateFile } from './private-file.js';

/** An authority that a developer told a browser to trust shall not have to be told again each month. */
const AUTHORITY_DAYS = 3_650;
/** Browsers take no longer one: 398 days (CA/Browser Forum, ballot SC-31). */
const SERVER_DAYS = 397;
/** A certificate that has less left is made anew at the next start. */
const LEFT_AT_LEAST_DAYS = 30;
const DAY_MS = 86_400_000;

/** What `npm start -- --tls` listens with, and the authority that clients have to trust. */
export interface DevelopmentTls {
  readonly files: TlsFiles;
  readonly authorityPath: string;
}

/**
 * An authority for development and a certificate for this machine, kept in `folder`: made once, and the certificate
 * again when it ends soon or the addresses are others. The authority's key never leaves the folder.
 * @param hosts addresses that the listeners have; names of this machine are added.
 */
export async function developmentCertificates(folder: string, hosts: readonly string[]): Promise<DevelopmentTls> {
  makePrivateFolder(folder);
  const authorityPath = join(folder, 'authority.pem');
  const authorityKeyPath = join(folder, 'authority-key.pem');
  const files = { certPath: join(folder, 'server.pem'), keyPath: join(folder, 'server-key.pem') };
  let authority = readFileIfAny(authorityPath);
  let authorityKey = readFileIfAny(authorityKeyPath);
  if (!authority || !authorityKey || leftDays(authority) < SERVER_DAYS) {
    ({ certificate: authority, key: authorityKey } = await makeAuthority(
      `Slipway development authority of ${hostname()}`,
      AUTHORITY_DAYS,
    ));
    writePrivateFile(authorityKeyPath, authorityKey);
    writePrivateFile(authorityPath, authority);
  }
  const names = [...new Set(['localhost', '127.0.0.1', '::1', hostname(), ...hosts.filter(isAddress)])];
  if (!fits(readFileIfAny(files.certPath), authority, names)) {
    const server = await makeServerCertificate({ certificate: authority, key: authorityKey }, names, SERVER_DAYS);
    writePrivateFile(files.keyPath, server.key);
    writePrivateFile(files.certPath, server.certificate);
  }
  return { files, authorityPath };
}

/** Sentences for the terminal. */
export function howToTrust(authorityPath: string): string {
  return [
    'TLS uses a development authority of this data folder. To trust it:',
    `  curl --cacert ${authorityPath} …`,
    `  mosquitto_sub --cafile ${authorityPath} …`,
    `  export NODE_EXTRA_CA_CERTS=${authorityPath}     # slipway, the agent, Node`,
    'It is for development: for others, set SLIPWAY_TLS_CERT_PATH and SLIPWAY_TLS_KEY_PATH.',
  ].join('\n');
}

/** A wildcard is where one listens, and no name of a certificate. */
const isAddress = (host: string): boolean => !['0.0.0.0', '::'].includes(host);

const leftDays = (pem: string): number => (Date.parse(new X509Certificate(pem).validTo) - Date.now()) / DAY_MS;

function fits(pem: string | undefined, authority: string, names: readonly string[]): boolean {
  if (pem === undefined || pem === '' || leftDays(pem) < LEFT_AT_LEAST_DAYS) return false;
  const certificate = new X509Certificate(pem);
  const has = (name: string) =>
    (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined;
  return certificate.verify(new X509Certificate(authority).publicKey) && names.every(has);
}
