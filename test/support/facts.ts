import type { Hello } from '../../domain/installation/hello.js';
import { DEFAULT_POLICY, type Policy } from '../../domain/installation/policy.js';
import {
  createInstallation,
  type InstallationView,
  type NewInstallation,
} from '../../store/commands/create-installation.js';
import { newDeviceType } from '../../protocol/http/device-types.js';
import { createCredential } from '../../store/commands/credentials.js';
import { createDevice } from '../../store/commands/devices.js';
import type { Pool, Tx } from '../../store/db/pool.js';
import { record } from '../../store/record.js';
import { asService, asTenant } from '../../store/db/transaction.js';
import { createAssociation } from '../../store/fleet/associations.js';
import { attachContent, createFirmware } from '../../store/fleet/firmwares.js';
import { createDeviceType } from '../../store/fleet/types.js';

/** What every device of these facts is called. */
export const DEVICE_NAME = 'Switch in the hall';
const SLOTS = { firmware: { name: 'F' }, bootloader: { name: 'B' }, configuration: { name: 'C' } };

/** What a test begins with, made as an operator makes it: a type with three slots, firmwares, devices with passwords. */
export class Facts {
  deviceTypeId = '';

  constructor(
    private readonly pool: Pool,
    readonly tenantId = 'default',
  ) {}

  async begin(): Promise<this> {
    await this.sql(`INSERT INTO tenants (id) VALUES ($1) ON CONFLICT DO NOTHING`, [this.tenantId]);
    const type = newDeviceType.parse({ name: 'switch', slots: SLOTS });
    this.deviceTypeId = (await this.as((tx) => createDeviceType(tx, this.tenantId, type))).id;
    return this;
  }

  /**
   * A ready firmware, associated with every slot.
   * @param content stands for its bytes: the digest is as many of it as make 64 characters
   * @param size in bytes
   */
  firmware(content: string, version: string | null = '1.0.0', size = 4): Promise<string> {
    const blob = { sha256: content.repeat(64 / content.length), size };
    const said = { name: 'switch', description: null, version, contentType: 'application/octet-stream', labels: {} };
    return this.as(async (tx) => {
      const { id } = await createFirmware(tx, this.tenantId, { ...said, createdBy: 'key:test' }, Date.now());
      await attachContent(tx, this.tenantId, id, blob, Date.now());
      for (const slotName of Object.keys(SLOTS)) {
        await createAssociation(tx, this.tenantId, { deviceTypeId: this.deviceTypeId, slotName }, id);
      }
      return id;
    });
  }

  /** One that only says that it is there: its type has no slots. */
  async deviceWithoutSlots(): Promise<string> {
    const type = newDeviceType.parse({ name: 'lamp', slots: {} });
    const { id } = await this.as((tx) => createDeviceType(tx, this.tenantId, type));
    return this.device(undefined, true, [], id);
  }

  device(
    connectedBy?: string,
    withCredential = true,
    aliases: string[] = [],
    deviceTypeId = this.deviceTypeId,
  ): Promise<string> {
    const gateway = connectedBy === undefined ? {} : { connectedBy };
    const info = { name: DEVICE_NAME, deviceTypeId, aliases, ...gateway };
    return this.as(async (tx) => {
      const { id } = await createDevice(tx, this.tenantId, { info });
      if (withCredential) await createCredential(tx, this.tenantId, id);
      return id;
    });
  }

  /** A token of this device, as its operator makes one. */
  async token(deviceId: string): Promise<string> {
    return (await this.as((tx) => createCredential(tx, this.tenantId, deviceId, 'token'))).secret;
  }

  install(
    deviceId: string,
    firmwareId: string,
    more: Partial<Omit<NewInstallation, 'policy'>> & { policy?: Partial<Policy> } = {},
  ): Promise<InstallationView> {
    return this.as((tx) =>
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

  /** The device says what its slots hold. */
  async hello(deviceId: string, slots: Record<string, { version: string; sha256: string }>): Promise<void> {
    const held = Object.entries(slots).map(([slot, one]): [string, Hello['slots'][string]] => [
      slot,
      { ...one, installationId: null, revision: 0, confirmed: true },
    ]);
    const from = { kind: 'device' as const, node: deviceId };
    const hello = { slots: Object.fromEntries(held) };
    await asService(this.pool, (tx) =>
      record(tx, [{ tenantId: this.tenantId, deviceId, from, kind: 'hello', hello }], Date.now()),
    );
  }

  private as<T>(run: (tx: Tx) => Promise<T>): Promise<T> {
    return asTenant(this.pool, this.tenantId, run);
  }

  /** As the database's owner, around every wall. */
  async sql<T extends object = Record<string, unknown>>(text: string, values: unknown[] = []): Promise<T[]> {
    return (await this.pool.query(text, values)).rows as T[];
  }
}
