import type { Readiness } from '../../../client/index.js';
import { fault, look, notKnown, well, type Finding } from './finding.js';

type Part = Readiness['dependencies'][string];

/** What to do by the part that is down. The second word is the setting by which it is found. */
const NEXT: Readonly<Record<string, string>> = {
  database: 'Start PostgreSQL, or correct DATABASE_URL; the log of the API has the error.',
  schema: 'docs/upgrade.md has the order of steps.',
  blobs: 'Start the store, or correct SLIPWAY_S3_ENDPOINT and its credentials; with a disk: SLIPWAY_DATA_DIR.',
  bridge: 'Start a bridge (dist/workers/bridge.js); where one runs, its log says what it waits for.',
  orchestrator: 'Start an orchestrator (dist/workers/orchestrator.js); where one runs, its log says what it waits for.',
  mqtt: 'Start the broker, or correct MQTT_URL, MQTT_USERNAME and MQTT_PASSWORD of the bridge.',
  temporal: 'Start Temporal, or correct TEMPORAL_ADDRESS.',
  tls: 'Renew the certificate: its files are read again by themselves.',
};

/** Words of a reason by which one knows better what to do. */
const BY_REASON: readonly (readonly [part: string, words: RegExp, next: string])[] = [
  [
    'blobs',
    /ENOSPC|EDQUOT/,
    'The disk is full: make room where SLIPWAY_DATA_DIR is, or enlarge it; no restart needed.',
  ],
  [
    'blobs',
    /EROFS|EACCES|EPERM/,
    'The service may not write there: correct the owner or the mount of SLIPWAY_DATA_DIR.',
  ],
  ['blobs', /ENOENT/, 'The folder is gone: bring back the disk of SLIPWAY_DATA_DIR, or restore a backup.'],
  ['database', /28P01|28000/, 'PostgreSQL refuses user or password: correct DATABASE_URL.'],
  ['database', /3D000/, 'There is no such database: make it, or correct DATABASE_URL.'],
  ['database', /53300/, 'PostgreSQL has no connection left: raise its max_connections, or put PgBouncer before it.'],
  [
    'temporal',
    /namespace/,
    'Make the namespace (temporal operator namespace create --namespace NAME), or correct TEMPORAL_NAMESPACE.',
  ],
];

/** What `GET /health/ready?all=true` says, a finding for each part. */
export function partFindings({ reason, dependencies }: Readiness): Finding[] {
  const ending = reason === undefined ? [] : [look('service', reason, 'Try again when it has started anew.')];
  return [...ending, ...Object.entries(dependencies).map(([name, part]) => partFinding(name, part))];
}

function partFinding(name: string, { status, reason = '' }: Part): Finding {
  if (status === 'not known') return notKnown(name, reason);
  if (status === 'up') return reason === '' ? well(name, 'up') : look(name, reason, 'docs/operations.md has more.');
  const better = BY_REASON.find(([part, words]) => part === name && words.test(reason));
  return fault(name, reason, better?.[2] ?? NEXT[name] ?? 'docs/operations.md has its settings.');
}
