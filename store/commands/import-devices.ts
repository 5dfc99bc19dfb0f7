import { randomUUID } from 'node:crypto';
import { DomainError, type ErrorCode, type Fault } from '../../domain/errors.js';
import type { LineFault, OnConflict } from '../../domain/fleet/job.js';
import type { NewDevice } from '../../protocol/http/devices.js';
import type { Tx } from '../db/pool.js';
import { assertQuota } from '../db/quotas.js';
import { recordset } from '../db/recordset.js';
import type { ClaimedJob } from '../jobs/claims.js';
import { recordedFor } from '../jobs/acts.js';
import { createPasswords, type MadePassword } from './credentials.js';
import { createDevice, deviceValues, updateDevice } from './devices.js';
import { wantSweeps } from './sweep.js';

/** A row of an import that fits its schema. `id`: of a device that exists, or of one that is to have it. */
export interface ImportedDevice extends NewDevice {
  readonly line: number;
  readonly id?: string | undefined;
}

/** What became of some rows. */
export interface Imported {
  readonly done: number;
  readonly skipped: number;
  readonly faults: readonly LineFault[];
}

/** With the passwords that were made, where they were asked for. */
export interface Written extends Imported {
  readonly passwords: readonly (MadePassword & { readonly line: number })[];
}

/** How an import is meant. */
export interface ImportOptions {
  readonly onConflict: OnConflict;
  readonly withPasswords: boolean;
}

/**
 * What each row meets: whether its type exists, and which device it conflicts with, by its id or an alias. Rows of one
 * page see each other: of two with the same alias the second conflicts with the first.
 */
interface Met {
  readonly row: ImportedDevice;
  readonly fault?: LineFault;
  /** The device that is there already. */
  readonly existing?: string;
}

/**
 * Looks at rows without writing anything: what would become of them.
 * @param seen ids and aliases of rows before these, and of these afterwards
 */
export async function checkDevices(
  tx: Tx,
  tenantId: string,
  rows: readonly ImportedDevice[],
  onConflict: OnConflict,
  seen: Set<string>,
): Promise<Imported> {
  const met = await meet(tx, tenantId, rows, onConflict, seen);
  const faults = met.flatMap(({ fault }) => fault ?? []);
  const skipped =
    onConflict === 'skip' ? met.filter((one) => one.fault === undefined && one.existing !== undefined).length : 0;
  return { done: rows.length - faults.length - skipped, skipped, faults };
}

/** How often a page begins anew because another request took an id or alias; then its rows go one by one. */
const MAX_RACES = 3;

/**
 * Writes rows, in one transaction with whatever else is in it. Those that need no look at others go in one statement;
 * children of gateways and rows that change a device one after the other, each behind a savepoint of its own. Where
 * another request takes an id or alias in that moment, the page looks again and sees its device.
 * @param now epoch milliseconds
 */
export async function importDevices(
  tx: Tx,
  job: ClaimedJob,
  rows: readonly ImportedDevice[],
  options: ImportOptions,
  now: number,
): Promise<Written> {
  for (let races = 0; ; races += 1) {
    await tx.query('SAVEPOINT page');
    const page = new PageOfRows(tx, job, options, now, races >= MAX_RACES);
    const written = await page.write(rows);
    await tx.query(written === 'raced' ? 'ROLLBACK TO SAVEPOINT page' : 'RELEASE SAVEPOINT page');
    if (written !== 'raced') return written;
  }
}

const RACED = 'its id or one of its aliases was given to another device in this moment';

/** One look at the rows of a page, and what it writes. */
class PageOfRows {
  private readonly faults: LineFault[] = [];
  /** Lines by the device that they became. */
  private readonly lines = new Map<string, number>();
  private done = 0;
  private skipped = 0;

  /** @param isLast whether a row that loses to another request has a fault, instead of the page looking again */
  constructor(
    private readonly tx: Tx,
    private readonly job: ClaimedJob,
    private readonly options: ImportOptions,
    private readonly now: number,
    private readonly isLast: boolean,
  ) {}

  async write(rows: readonly ImportedDevice[]): Promise<Written | 'raced'> {
    const { tx, job, options } = this;
    const met = await meet(tx, job.tenantId, rows, options.onConflict, new Set());
    this.faults.push(...met.flatMap(({ fault }) => fault ?? []));
    const good = met.filter(({ fault }) => fault === undefined);
    const fresh = good.filter(({ existing }) => existing === undefined).map(({ row }) => row);
    const isWhole =
      (await this.insert(fresh.filter(({ info }) => !info.connectedBy))) &&
      (await this.insertChildren(fresh.filter(({ info }) => info.connectedBy)));
    if (!isWhole) return 'raced';
    for (const { row, existing } of good)
      if (existing !== undefined && options.onConflict === 'skip') this.skipped += 1;
      else if (existing !== undefined) await this.change(row, existing);
    return { done: this.done, skipped: this.skipped, faults: this.faults, passwords: await this.passwords() };
  }

  /** @returns false where another request was faster and the page is to look again */
  private async insert(rows: readonly ImportedDevice[]): Promise<boolean> {
    const { tx, job } = this;
    for (const some of this.isLast ? rows.map((row) => [row]) : [rows]) {
      await tx.query('SAVEPOINT line');
      const written = await insertPlain(tx, job.tenantId, some);
      await tx.query(written === undefined ? 'ROLLBACK TO SAVEPOINT line' : 'RELEASE SAVEPOINT line');
      for (const { id, line } of written ?? []) this.wrote(id, line);
      if (written !== undefined) continue;
      if (!this.isLast) return false;
      this.faults.push(...some.map(({ line }) => ({ line, pointer: '', detail: RACED })));
    }
    return true;
  }

  /** @returns as `insert` */
  private async insertChildren(rows: readonly ImportedDevice[]): Promise<boolean> {
    const { tx, job } = this;
    for (const row of rows) {
      const id = row.id ?? randomUUID();
      let raced = false;
      const fault = await behindSavepoint(tx, row.line, async () => {
        await createDevice(tx, job.tenantId, row, id).catch((error: unknown) => {
          raced = error instanceof DomainError && error.code === 'DEVICE_ALIAS_CONFLICT';
          throw error;
        });
      });
      if (raced && !this.isLast) return false;
      if (fault) this.faults.push(fault);
      else this.wrote(id, row.line);
    }
    return true;
  }

  private async change(row: ImportedDevice, id: string): Promise<void> {
    const { tx, job, now } = this;
    const fault = await behindSavepoint(tx, row.line, () =>
      recordedFor(tx, job, { action: 'device.change', id }, now, () =>
        updateDevice(tx, job.tenantId, id, true, () => row),
      ),
    );
    if (fault) this.faults.push(fault);
    else this.wrote(id, row.line);
  }

  private wrote(id: string, line: number): void {
    this.done += 1;
    this.lines.set(id, line);
  }

  private async passwords(): Promise<Written['passwords']> {
    if (!this.options.withPasswords) return [];
    const made = await createPasswords(this.tx, this.job.tenantId, [...this.lines.keys()]);
    return [...this.lines].flatMap(([id, line]) => {
      const password = made.get(id);
      return password ? { line, ...password } : [];
    });
  }
}

async function meet(
  tx: Tx,
  tenantId: string,
  rows: readonly ImportedDevice[],
  onConflict: OnConflict,
  seen: Set<string>,
): Promise<Met[]> {
  const types = await existing(
    tx,
    'SELECT id FROM device_types WHERE tenant_id = $1 AND id = ANY($2::uuid[]) FOR KEY SHARE',
    tenantId,
    rows.map(({ info }) => info.deviceTypeId),
  );
  const ids = await existing(
    tx,
    'SELECT id FROM devices WHERE tenant_id = $1 AND id = ANY($2::uuid[])',
    tenantId,
    rows.flatMap(({ id }) => id ?? []),
  );
  const { rows: named } = await tx.query<{ alias: string; device_id: string }>(
    'SELECT alias, device_id FROM device_aliases WHERE tenant_id = $1 AND alias = ANY($2::text[])',
    [tenantId, rows.flatMap(({ info }) => info.aliases ?? [])],
  );
  const aliases = new Map(named.map((one) => [one.alias, one.device_id]));
  const gateways = await existing(
    tx,
    'SELECT id FROM devices WHERE tenant_id = $1 AND id = ANY($2::uuid[])',
    tenantId,
    rows.flatMap(({ info }) => info.connectedBy ?? []),
  );
  for (const { id } of rows) if (id !== undefined) gateways.add(id);
  return rows.map((row) => {
    const refused = (pointer: string, detail: string): Met => ({ row, fault: { line: row.line, pointer, detail } });
    if (!types.has(row.info.deviceTypeId))
      return refused('/info/deviceTypeId', `device type ${row.info.deviceTypeId} does not exist`);
    const { connectedBy } = row.info;
    if (connectedBy && !gateways.has(connectedBy) && !seen.has(`id ${connectedBy}`))
      return refused('/info/connectedBy', `gateway ${connectedBy} does not exist, nor is it in an earlier line`);
    const names = [...(row.id === undefined ? [] : [`id ${row.id}`]), ...(row.info.aliases ?? [])];
    const twice = names.find((name) => seen.has(name));
    if (twice !== undefined) return refused('', `"${twice}" is in an earlier line of the file too`);
    for (const name of names) seen.add(name);
    const owners = new Set((row.info.aliases ?? []).flatMap((alias) => aliases.get(alias) ?? []));
    if (row.id !== undefined && ids.has(row.id)) owners.add(row.id);
    const [owner, another] = owners;
    if (owner === undefined) return { row };
    if (another !== undefined)
      return refused('', `its id and aliases are those of several devices: ${[...owners].join(', ')}`);
    if (onConflict === 'fail') return refused('', `device ${owner} has this id or alias already`);
    if (row.id !== undefined && row.id !== owner)
      return refused('/info/aliases', `device ${owner} has one of these aliases already`);
    return { row, existing: owner };
  });
}

async function existing(tx: Tx, text: string, tenantId: string, ids: readonly string[]): Promise<Set<string>> {
  const { rows } = await tx.query<{ id: string }>(text, [tenantId, [...new Set(ids)]]);
  return new Set(rows.map(({ id }) => id));
}

/** @returns their ids; undefined where an id or alias was given to another device in this moment. */
async function insertPlain(
  tx: Tx,
  tenantId: string,
  rows: readonly ImportedDevice[],
): Promise<{ id: string; line: number }[] | undefined> {
  if (rows.length === 0) return [];
  await assertQuota(tx, tenantId, 'devices', rows.length);
  const written = rows.map((row) => ({
    ...deviceValues(row),
    line: row.line,
    id: row.id ?? randomUUID(),
    aliases: row.info.aliases ?? [],
  }));
  const { rowCount: devices } = await tx.query(
    `INSERT INTO devices (tenant_id, id, device_type_id, name, description, tags, location, coordinates,
       installation_timestamp, communication_interval, reports_as, configuration, custom)
     SELECT $1, n.id, n.device_type_id, n.name, n.description, n.tags, n.location, n.coordinates,
       n.installation_timestamp, n.communication_interval, n.reports_as, n.configuration, n.custom
     FROM ${recordset('$2', 'id uuid, device_type_id uuid, name text, description text, tags text[], location jsonb, coordinates jsonb, installation_timestamp timestamptz, communication_interval integer, reports_as text, configuration jsonb, custom jsonb')} AS n
     ORDER BY n.id ON CONFLICT (tenant_id, id) DO NOTHING`,
    [tenantId, JSON.stringify(written)],
  );
  if (devices !== written.length) return undefined;
  const aliases = written.flatMap(({ id, aliases: own }) =>
    own.map((alias, position) => ({ id, alias, position: position + 1 })),
  );
  if (aliases.length > 0) {
    const { rowCount } = await tx.query(
      `INSERT INTO device_aliases (tenant_id, alias, device_id, position)
       SELECT $1, n.alias, n.id, n.position FROM ${recordset('$2', 'alias text, id uuid, position integer')} AS n
       ORDER BY n.alias ON CONFLICT (tenant_id, alias) DO NOTHING`,
      [tenantId, JSON.stringify(aliases)],
    );
    if (rowCount !== aliases.length) return undefined;
  }
  await wantSweeps(tx, tenantId);
  return written.map(({ id, line }) => ({ id, line }));
}

/** Of refusals that name no member themselves. */
const POINTERS: Partial<Record<ErrorCode, string>> = {
  DEVICE_CONNECTEDBY_CONFLICT: '/info/connectedBy',
  DEVICE_ALIAS_CONFLICT: '/info/aliases',
  DEVICETYPE_NOT_FOUND: '/info/deviceTypeId',
};

/** What a person can mend is a fault of the line; everything else ends the transaction. */
export async function behindSavepoint(
  tx: Tx,
  line: number,
  work: () => Promise<unknown>,
): Promise<LineFault | undefined> {
  await tx.query('SAVEPOINT line');
  try {
    await work();
    await tx.query('RELEASE SAVEPOINT line');
    return undefined;
  } catch (error) {
    if (!(error instanceof DomainError) || error.status >= 500) throw error;
    await tx.query('ROLLBACK TO SAVEPOINT line');
    const [first]: readonly (Fault | undefined)[] = error.facts.errors ?? [];
    return { line, pointer: first?.pointer ?? POINTERS[error.code] ?? '', detail: first?.detail ?? error.detail };
  }
}
