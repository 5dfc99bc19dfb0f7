import { readFileSync } from 'node:fs';
import type { Settings } from './settings.js';
import { requireAddresses } from './settings.js';

interface TlsPart {
  path: string | undefined;
  data: string | undefined;
}

/** How client and worker reach Temporal: both take the same members. */
export function temporalConnection(settings: Settings) {
  const { temporalAddress } = requireAddresses(settings, 'temporalAddress');
  const { tls, apiKey, namespace } = settings.temporal;
  return {
    namespace,
    connection: {
      address: temporalAddress,
      ...(apiKey === undefined ? {} : { apiKey }),
      ...(tls === undefined ? {} : { tls: tlsOptions(tls) }),
    },
  };
}

function tlsOptions(tls: NonNullable<Settings['temporal']['tls']>) {
  const ca = read(tls.serverCa);
  const crt = read(tls.clientCert);
  const key = read(tls.clientKey);
  return {
    ...(tls.serverName === undefined ? {} : { serverNameOverride: tls.serverName }),
    ...(ca === undefined ? {} : { serverRootCACertificate: ca }),
    ...(crt === undefined || key === undefined ? {} : { clientCertPair: { crt, key } }),
  };
}

function read({ path, data }: TlsPart): Buffer | undefined {
  if (data !== undefined) return Buffer.from(data, 'utf8');
  return path === undefined ? undefined : readFileSync(path);
}
