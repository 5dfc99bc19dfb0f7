import { createHmac } from 'node:crypto';
import type { Sign } from '../../protocol/http/download-links.js';
import type { Tx } from '../db/pool.js';

/**
 * Of download links. The key was made by the first migration and stays: the links of open installations are signed with
 * it.
 */
export async function readLinkSigner(tx: Tx): Promise<Sign> {
  const { rows } = await tx.query<{ value: Buffer }>(`SELECT value FROM service_keys WHERE name = 'download-links'`);
  const key = rows[0]?.value;
  if (!key)
    throw new Error(
      'the key of the download links is missing in service_keys: the migrations did not run to their end',
    );
  return (text) => createHmac('sha256', key).update(text).digest('base64url');
}

/** What a link serves. `open`: what it was made for still wants it. */
export interface Download {
  readonly sha256: string;
  readonly size: number;
  readonly name: string;
  readonly version: string | null;
  readonly contentType: string;
  readonly open: boolean;
}

interface DownloadRow {
  sha256: string | null;
  size: string | null;
  name: string;
  version: string | null;
  content_type: string;
  open: boolean;
}

/** @returns undefined where the firmware does not exist or never had a blob. */
export async function downloadOfFirmware(tx: Tx, tenantId: string, firmwareId: string): Promise<Download | undefined> {
  const { rows } = await tx.query<DownloadRow>(
    `SELECT sha256, size, name, version, content_type, state = 'ready' AS open FROM firmwares WHERE tenant_id = $1
      AND id = $2`,
    [tenantId, firmwareId],
  );
  return toDownload(rows[0]);
}

/** @returns undefined where the installation does not exist. */
export async function downloadOfInstallation(
  tx: Tx,
  tenantId: string,
  installationId: string,
): Promise<Download | undefined> {
  const { rows } = await tx.query<DownloadRow>(
    `SELECT f.sha256, f.size, f.name, f.version, f.content_type, f.state = 'ready' AND i.ended_at IS NULL AS open
     FROM installations i JOIN firmwares f ON f.tenant_id = i.tenant_id AND f.id = i.firmware_id
     WHERE i.tenant_id = $1 AND i.id = $2`,
    [tenantId, installationId],
  );
  return toDownload(rows[0]);
}

function toDownload(row: DownloadRow | undefined): Download | undefined {
  if (!row || row.sha256 === null || row.size === null) return undefined;
  return {
    sha256: row.sha256,
    size: Number(row.size),
    name: row.name,
    version: row.version,
    contentType: row.content_type,
    open: row.open,
  };
}
