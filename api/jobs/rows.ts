import type { LineFault } from '../../domain/fleet/job.js';
import { importedDevice } from '../../protocol/http/jobs.js';
import type { ImportedDevice } from '../../store/commands/import-devices.js';
import type { JobLine } from '../../store/jobs/jobs.js';
import { findUnkeepable } from '../http/body.js';
import { inexactNumbers } from '../http/exact-numbers.js';
import { faultsOf } from '../http/errors.js';

/** Lines as devices, and the first fault of each that is none. */
export function parseRows(lines: readonly JobLine[]): { rows: ImportedDevice[]; faults: LineFault[] } {
  const rows: ImportedDevice[] = [];
  const faults: LineFault[] = [];
  for (const line of lines) {
    const parsed = parseRow(line);
    if ('detail' in parsed) faults.push(parsed);
    else rows.push(parsed);
  }
  return { rows, faults };
}

function parseRow({ line, body, fault }: JobLine): ImportedDevice | LineFault {
  if (body === null) return { line, pointer: '', detail: fault ?? 'is empty' };
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (error) {
    return { line, pointer: '', detail: `is not JSON: ${(error as Error).message.slice(0, 200)}` };
  }
  const [unkeepable] = [...findUnkeepable(value), ...inexactNumbers(body)];
  if (unkeepable) return { line, pointer: unkeepable.pointer, detail: unkeepable.detail };
  const parsed = importedDevice.safeParse(value);
  if (parsed.success) return { line, ...parsed.data };
  const [first] = faultsOf(parsed.error.issues, '', importedDevice);
  return { line, pointer: first?.pointer ?? '', detail: first?.detail ?? 'does not fit' };
}
