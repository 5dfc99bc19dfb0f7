import type { Logger } from 'pino';
import type { Engine } from '../../adapters/engine/port.js';
import type { Pool } from '../../store/db/pool.js';
import type { ConnectBroker } from '../mqtt/connection.js';
import type { Administration } from '../outbound/send-credentials.js';
import type { Counted } from '../inbound/ingest.js';

/** A year, and a month to look at it. */
export const HISTORY_RETENTION_MS = 400 * 24 * 3_600_000;

/** What the bridge is made of; its process file opens and closes it. */
export interface BridgeDependencies {
  pool: Pool;
  engine: Engine;
  connect: ConnectBroker;
  /** A second connection for a while, under one id of its own for every bridge, with a clean session. */
  connectBeside: ConnectBroker;
  /** How often what the broker retains is compared; absent = a few minutes. */
  compareEveryMs?: number;
  /** Of devices that have no `communicationInterval` of their own or of their type; absent = PT2H. */
  communicationIntervalMs?: number;
  /** How often devices are looked for from which nothing was heard; absent = some seconds. */
  lookForSilenceEveryMs?: number;
  /** What ended, or happened, longer ago is removed; absent = P400D. */
  historyRetentionMs?: number;
  /** What people did longer ago is removed; absent = it is kept for ever. */
  auditRetentionMs?: number;
  /** null where the broker looks passwords up in PostgreSQL by itself. */
  administration: Administration | null;
  /** Whether webhooks may lead to loopback, link-local and private addresses; absent = no. */
  webhooksAllowPrivate?: boolean;
  downloadUrl: (tenantId: string, installationId: string) => string;
  now: () => number;
  log: Logger;
  counted: (outcome: Counted, reason: string, count: number) => void;
}
