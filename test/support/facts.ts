import { randomUUID } from 'node:crypto';
import { DEFAULT_POLICY, type Policy } from '../../domain/installation/policy.js';
import {
  createInstallation,
  type InstallationView,
  type NewInstallation,
} from '../../store/commands/create-installation.js';
import type { Pool } from '../../store/db/pool.js';
import { asTenant } from '../../store/db/transaction.js';

/** Facts that a test of the store begins with, written as plain rows: a type with three slots, firmwares, devices. */
export class Facts {
  deviceTypeId = randomUUID();

  constructor(
    private readonly pool: Pool,
    readonly tenantId = 'default',
  ) {}

  async begin(): Promise<this> {
    await this.sql(`INSERT INTO tenants (id) VALUES ($1) ON CONFLICT DO NOTHING`, [this.tenantId]);
    await asTenant(this.pool, this.tenantId, (tx) =>
      tx.query(
        `INSERT INTO device_types (tenant_id, id, name, slots) VALUES ($1, $2, 'switch', '{"firmware": {"name": "F"}, "bootloader": {"name": "B"}, "configuration": {"name": "C"}}')`,
        [this.tenantId, this.deviceTypeId],
      ),
    );
    return this;
  }

  /** A ready firmware, associated with every slot. `content` stands for its bytes: the digest is 64 of it. */
  async firmware(content: string, version = '1.0.0'): Promise<string> {
    const id = randomUUID();
    await asTenant(this.pool, this.tenantId, async (tx) => {
      await tx.query(
        `INSERT INTO firmwares (tenant_id, id, name, version, state, size, sha256, created_by) VALUES ($1, $2, 'switch', $3, 'ready', 4, $4, 'test')`,
        [this.tenantId, id, version, content.repeat(64)],
      );
      for (const slot of ['firmware', 'bootloader', 'configuration']) {
        await tx.query(
          `INSERT INTO firmware_associations (tenant_id, id, device_type_id, slot, firmware_id) VALUES ($1, $2, $3, $4, $5)`,
          [this.tenantId, randomUUID(), this.deviceTypeId, slot, id],
        );
      }
    });
    return id;
  }

  async device(connectedBy?: string, withCredential = true): Promise<string> {
    const id = randomUUID();
    await asTenant(this.pool, this.tenantId, async (tx) => {
      await tx.query(
        `INSERT INTO devices (tenant_id, id, device_type_id, name, connected_by) VALUES ($1, $2, $3, $4, $5)`,
        [this.tenantId, id, this.deviceTypeId, `device ${id}`, connectedBy ?? null],
      );
      if (withCredential) {
        await tx.query(
          `INSERT INTO device_credentials (tenant_id, id, device_id, type, username, secret_hash) VALUES ($1, $2, $3, 'password', $4, '\\x00')`,
          [this.tenantId, randomUUID(), id, `${this.tenantId}/${id}`],
        );
      }
    });
    return id;
  }

  install(
    deviceId: string,
    firmwareId: string,
    more: Partial<Omit<NewInstallation, 'policy'>> & { policy?: Partial<Policy> } = {},
  ): Promise<InstallationView> {
    return asTenant(this.pool, this.tenantId, (tx) =>
      createInstallation(
        tx,
        this.tenantId,
        {
          deviceId,
          firmwareId,
          slot: 'firmware',
          requestedBy: 'key:test',
          priority: 0,
          gate: 'go',
          onConflict: 'queue',
          ...more,
          policy: { ...DEFAULT_POLICY, ...more.policy },
        },
        Date.now(),
      ),
    );
  }

  /** As the database's owner, around every wall. */
  async sql<T extends object = Record<string, unknown>>(text: string, values: unknown[] = []): Promise<T[]> {
    return (await this.pool.query(text, values)).rows as T[];
  }
}
