import { createHash } from 'node:crypto';
import type { Resource, Shown } from '../../domain/audit/actions.js';
import type { Tx } from '../db/pool.js';

type Read = (tx: Tx, tenantId: string, id: string) => Promise<Shown | undefined>;

/**
 * What the audit shows of each kind of resource: columns by name, so that a secret that is added to a table is not
 * shown by itself. null = nothing is read of it.
 */
const SUBJECTS: Readonly<Record<Resource, Read | null>> = {
  firmware: (tx, tenantId, id) =>
    read(
      tx,
      tenantId,
      id,
      `SELECT name, version, description, state, size, sha256, expected_size AS "expectedSize",
        expected_sha256 AS "expectedSha256", labels FROM firmwares WHERE tenant_id = $1 AND id = $2`,
    ),
  device_type: (tx, tenantId, id) =>
    read(
      tx,
      tenantId,
      id,
      `SELECT name, manufacturer, model, description, categories, reporting_rules AS "reportingRules", schema, slots,
        communication_interval AS "communicationInterval", confirmation FROM device_types WHERE tenant_id = $1 AND id = $2`,
    ),
  association: (tx, tenantId, id) =>
    read(
      tx,
      tenantId,
      id,
      `SELECT device_type_id AS "deviceTypeId", slot, firmware_id AS "firmwareId" FROM firmware_associations
        WHERE tenant_id = $1 AND id = $2`,
    ),
  device: (tx, tenantId, id) =>
    read(
      tx,
      tenantId,
      id,
      `SELECT name, device_type_id AS "deviceTypeId", description, tags, connected_by AS "connectedBy", location,
        coordinates, installation_timestamp AS "installationTimestamp",
        communication_interval AS "communicationInterval", configuration, custom,
        (SELECT jsonb_agg(a.alias ORDER BY a.position) FROM device_aliases a
          WHERE a.tenant_id = d.tenant_id AND a.device_id = d.id) AS aliases
       FROM devices d WHERE tenant_id = $1 AND id = $2`,
    ),
  credential: (tx, tenantId, id) =>
    read(
      tx,
      tenantId,
      id,
      `SELECT device_id AS "deviceId", type, username, revoked_at AS "revokedAt" FROM device_credentials
        WHERE tenant_id = $1 AND id = $2`,
    ),
  certificate: (tx, tenantId, id) =>
    read(
      tx,
      tenantId,
      id,
      `SELECT device_id AS "deviceId", fingerprint, status FROM device_certificates WHERE tenant_id = $1 AND id = $2`,
    ),
  enrolment_token: (tx, tenantId, id) =>
    read(
      tx,
      tenantId,
      id,
      `SELECT name, device_type_id AS "deviceTypeId", uses, approval, expires_at AS "expiresAt",
        revoked_at AS "revokedAt" FROM enrolment_tokens WHERE tenant_id = $1 AND id = $2`,
    ),
  enrolment: (tx, tenantId, id) =>
    read(
      tx,
      tenantId,
      id,
      `SELECT serial, device_type_id AS "deviceTypeId", state, device_id AS "deviceId" FROM enrolments
        WHERE tenant_id = $1 AND id = $2`,
    ),
  installation: (tx, tenantId, id) =>
    read(
      tx,
      tenantId,
      id,
      `SELECT device_id AS "deviceId", firmware_id AS "firmwareId", slot, state, gate, priority,
        not_before AS "notBefore", deadline, cancel, rollout_id AS "rolloutId", retry_of AS "retryOf"
       FROM installations WHERE tenant_id = $1 AND id = $2`,
    ),
  rollout: (tx, tenantId, id) =>
    read(
      tx,
      tenantId,
      id,
      `SELECT name, plan, version, phase, cardinality(device_ids) AS "deviceIds", approvals, pauses, aborted,
        rolling_back AS "rollingBack" FROM rollouts WHERE tenant_id = $1 AND id = $2`,
    ),
  template: (tx, tenantId, id) =>
    read(tx, tenantId, id, `SELECT plan FROM rollout_templates WHERE tenant_id = $1 AND id = $2`),
  webhook: async (tx, tenantId, id) => {
    const shown = await read(
      tx,
      tenantId,
      id,
      `SELECT url, events, description, disabled_at AS "disabledAt", disabled_because AS "disabledBecause"
       FROM webhooks WHERE tenant_id = $1 AND id = $2`,
    );
    return shown && { ...shown, ...withoutPath(String(shown['url'])) };
  },
  api_key: (tx, tenantId, id) =>
    read(
      tx,
      tenantId,
      id,
      `SELECT name, principal, role, permissions, expires_at AS "expiresAt", works_until AS "worksUntil",
        rotated_from AS "rotatedFrom", revoked_at AS "revokedAt" FROM api_keys WHERE tenant_id = $1 AND id = $2`,
    ),
  // Of the operator of the installation, whose own tenant is $1.
  tenant: (tx, tenantId, id) =>
    read(tx, tenantId, id, `SELECT name, state, quotas FROM tenants WHERE $1 = 'default' AND id = $2`),
  job: (tx, tenantId, id) =>
    read(
      tx,
      tenantId,
      id,
      `SELECT kind, spec, total, cancel_asked AS "cancelAsked",
        result_deleted_at AS "resultDeletedAt" FROM jobs WHERE tenant_id = $1 AND id = $2`,
    ),
  permission: null,
  // Its handler shows it.
  hawkbit: null,
};

/** A resource of the tenant as the audit shows it; undefined where it is not there, or nothing of its kind is shown. */
export async function readSubject(
  tx: Tx,
  tenantId: string,
  resource: Resource,
  id: string,
): Promise<Shown | undefined> {
  return SUBJECTS[resource]?.(tx, tenantId, id);
}

/** The path of a webhook may be a secret of its receiver. What stands for it tells whether it is another one now. */
function withoutPath(url: string): Shown {
  const sha256 = createHash('sha256').update(url).digest('hex');
  return { url: `${new URL(url).origin}/…`, urlSha256: sha256 };
}

interface SubjectRow {
  /** @narrowed a row as an object is never null */
  shown: Shown;
}

/** @param of the statement that reads the one row: $1 is the tenant, $2 the id */
async function read(tx: Tx, tenantId: string, id: string, of: string): Promise<Shown | undefined> {
  const { rows } = await tx.query<SubjectRow>(`SELECT to_jsonb(x) AS shown FROM (${of}) x`, [tenantId, id]);
  return rows[0]?.shown;
}
