import type { Cancellation, Installation } from '../../domain/installation/installation.js';
import type { LeftJoined, Pool, Tx } from '../db/pool.js';
import { asService, TENANT_ID } from '../db/transaction.js';
import { isUuid } from '../../domain/uuid.js';

/** What a device of this tenant may come in by, besides a token of its own; absent members = off. */
export interface DdiTerms {
  readonly pollingSeconds: number;
  readonly gatewayHash: Buffer | null;
  /** The device type of devices that appear; null = none may. */
  readonly registersAs: string | null;
  /** Hashes of issuers that a proxy names, in small letters. */
  readonly authorities: readonly string[];
}

/** Without settings. hawkBit's own default. */
export const DEFAULT_TERMS: DdiTerms = { pollingSeconds: 300, gatewayHash: null, registersAs: null, authorities: [] };

/** The action that is to be worked on; its number is null until it is first offered here. */
export interface CurrentAction {
  readonly number: number | null;
  readonly installationId: string;
  readonly attempt: number;
  readonly state: Installation['state'];
  readonly gate: 'go' | 'hold';
  readonly revision: number;
  readonly isCanceling: boolean;
}

/** That a person at the device need not be asked. `activatedAt`: epoch milliseconds. */
export interface AutoConfirmation {
  readonly activatedAt: number;
  readonly initiator?: string;
  readonly remark?: string;
}

/** A device as this interface sees it: one indexed read. */
export interface Controller {
  readonly tenantId: string;
  readonly deviceId: string;
  readonly terms: DdiTerms;
  /** The secret that was sent is a token of this device. */
  readonly isItsToken: boolean;
  /** It can be spoken to: rollouts count on it. */
  readonly hasCredential: boolean;
  readonly isOnline: boolean;
  readonly lastSeenAt: number | null;
  readonly needsConfirmation: boolean;
  readonly autoConfirm: AutoConfirmation | null;
  readonly wantsConfigData: boolean;
  readonly current: CurrentAction | null;
  /** The number of the newest action that was installed. */
  readonly installed: number | null;
}

interface TermsRow {
  polling_seconds: number;
  gateway_hash: Buffer | null;
  registers_as: string | null;
  authorities: string[];
}

interface ExecutingRow {
  installation_id: string;
  attempt: number;
  state: Installation['state'];
  gate: 'go' | 'hold';
  revision: string | null;
  cancel: Cancellation | null;
}

type ControllerRow = {
  device_id: string;
  online: boolean;
  last_seen_at: Date | null;
  confirmation: 'required' | null;
  is_its_token: boolean;
  has_credential: boolean;
  configured_at: Date | null;
  auto_confirm: AutoConfirmation | null;
  number: number | null;
  installed: number | null;
  installed_at: Date | null;
} & LeftJoined<TermsRow> &
  LeftJoined<ExecutingRow>;

/**
 * The device that an id of the interface names: one of its aliases, or its own id. One statement, by keys alone.
 * @param secretHash SHA-256 of the token that was sent; null = none was
 * @returns undefined where the tenant has no such device
 */
export async function readController(
  tx: Tx,
  tenantId: string,
  controllerId: string,
  secretHash: Buffer | null,
): Promise<Controller | undefined> {
  const { rows } = await tx.query<ControllerRow>(
    `SELECT d.id AS device_id, d.online, d.last_seen_at, t.confirmation,
       coalesce((SELECT true FROM device_credentials x WHERE x.tenant_id = $1 AND x.device_id = d.id
         AND x.type = 'hawkbitToken' AND x.revoked_at IS NULL AND x.secret_hash = $4 LIMIT 1), false) AS is_its_token,
       coalesce((SELECT true FROM device_credentials x WHERE x.tenant_id = $1 AND x.device_id = d.id
         AND x.revoked_at IS NULL LIMIT 1), false) AS has_credential,
       s.polling_seconds, s.gateway_hash, s.registers_as, s.authorities, h.configured_at, h.auto_confirm,
       i.id AS installation_id, i.attempt, i.state, i.gate, i.revision, i.cancel, a.number,
       o.number AS installed, o.completed_at AS installed_at
     FROM (SELECT coalesce((SELECT x.device_id FROM device_aliases x WHERE x.tenant_id = $1 AND x.alias = $2),
       $3::uuid) AS id) AS k
     CROSS JOIN LATERAL (SELECT * FROM devices x WHERE x.tenant_id = $1 AND x.id = k.id LIMIT 1) AS d
     CROSS JOIN LATERAL (SELECT x.confirmation FROM device_types x WHERE x.tenant_id = $1
       AND x.id = d.device_type_id LIMIT 1) AS t
     LEFT JOIN LATERAL (SELECT * FROM hawkbit_settings x WHERE x.tenant_id = $1 LIMIT 1) AS s ON true
     LEFT JOIN LATERAL (SELECT * FROM hawkbit_devices x WHERE x.tenant_id = $1 AND x.device_id = d.id LIMIT 1) AS h
       ON true
     LEFT JOIN LATERAL (SELECT * FROM installations x WHERE x.tenant_id = $1 AND x.device_id = d.id AND x.executing
       LIMIT 1) AS i ON true
     LEFT JOIN LATERAL (SELECT x.number FROM hawkbit_actions x WHERE x.tenant_id = $1 AND x.installation_id = i.id
       AND x.attempt = i.attempt LIMIT 1) AS a ON true
     LEFT JOIN LATERAL (SELECT x.number, y.completed_at FROM hawkbit_actions x CROSS JOIN LATERAL
       (SELECT z.completed_at FROM installations z WHERE z.tenant_id = $1 AND z.id = x.installation_id
         AND z.state = 'installed' LIMIT 1) AS y
       WHERE x.tenant_id = $1 AND x.device_id = d.id ORDER BY x.number DESC LIMIT 1) AS o ON true`,
    [tenantId, controllerId, isUuid(controllerId) ? controllerId : null, secretHash],
  );
  return rows[0] && toController(tenantId, rows[0]);
}

function toController(tenantId: string, row: ControllerRow): Controller {
  return {
    tenantId,
    deviceId: row.device_id,
    terms: row.polling_seconds === null ? DEFAULT_TERMS : toTerms(row),
    isItsToken: row.is_its_token,
    hasCredential: row.has_credential,
    isOnline: row.online,
    lastSeenAt: row.last_seen_at?.getTime() ?? null,
    needsConfirmation: row.confirmation === 'required',
    autoConfirm: row.auto_confirm,
    wantsConfigData: row.configured_at === null || (row.installed_at !== null && row.configured_at < row.installed_at),
    current: toCurrent(row),
    installed: row.installed,
  };
}

function toTerms(row: TermsRow): DdiTerms {
  return {
    pollingSeconds: row.polling_seconds,
    gatewayHash: row.gateway_hash,
    registersAs: row.registers_as,
    authorities: row.authorities,
  };
}

/** What was offered and has not ended. In its soak the device has nothing to do. */
function toCurrent(row: ControllerRow): CurrentAction | null {
  if (row.installation_id === null || row.revision === null) return null;
  if (row.state === 'confirming' || row.state === 'scheduled' || row.state === 'queued') return null;
  return {
    number: row.number,
    installationId: row.installation_id,
    attempt: row.attempt,
    state: row.state,
    gate: row.gate,
    revision: Number(row.revision),
    isCanceling: row.cancel !== null,
  };
}

/** What a tenant lets in; of a device that is not known. */
export async function readDdiTerms(tx: Tx, tenantId: string): Promise<DdiTerms> {
  const { rows } = await tx.query<TermsRow>(
    `SELECT polling_seconds, gateway_hash, registers_as, authorities FROM hawkbit_settings WHERE tenant_id = $1`,
    [tenantId],
  );
  return rows[0] ? toTerms(rows[0]) : DEFAULT_TERMS;
}

/** The tenant that a path names, in any case of letters; what is written exactly so goes first. */
export async function findTenant(pool: Pool, name: string): Promise<string | undefined> {
  if (!TENANT_ID.test(name)) return undefined;
  const { rows } = await asService(pool, (tx) =>
    tx.query<{ id: string }>(`SELECT id FROM tenants WHERE upper(id) = upper($1) ORDER BY id <> $1, id LIMIT 1`, [
      name,
    ]),
  );
  return rows[0]?.id;
}

/**
 * The number of an attempt, made at its first offer. Asked for twice at once it is the same one.
 * @throws Error once a tenant has used all 2,147,483,647
 */
export async function numberAction(
  tx: Tx,
  tenantId: string,
  deviceId: string,
  { installationId, attempt }: Pick<CurrentAction, 'installationId' | 'attempt'>,
): Promise<number> {
  // Its lock makes the second of two requests wait, and see what the first one wrote.
  await tx.query(
    `INSERT INTO hawkbit_counters (tenant_id, last) VALUES ($1, 1)
     ON CONFLICT (tenant_id) DO UPDATE SET last = hawkbit_counters.last + 1`,
    [tenantId],
  );
  await tx.query(
    `INSERT INTO hawkbit_actions (tenant_id, number, device_id, installation_id, attempt)
     SELECT c.tenant_id, c.last, $2, $3, $4 FROM hawkbit_counters c WHERE c.tenant_id = $1
     ON CONFLICT (tenant_id, installation_id, attempt) DO NOTHING`,
    [tenantId, deviceId, installationId, attempt],
  );
  const { rows } = await tx.query<{ number: number }>(
    `SELECT number FROM hawkbit_actions WHERE tenant_id = $1 AND installation_id = $2 AND attempt = $3`,
    [tenantId, installationId, attempt],
  );
  if (!rows[0]) throw new Error(`installation ${installationId} has no number`);
  return rows[0].number;
}
