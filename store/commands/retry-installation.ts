import { DomainError } from '../../domain/errors.js';
import type { Tx } from '../db/pool.js';
import { createInstallation, type InstallationView } from './create-installation.js';

/**
 * Requests it once more. A deadline that is over by now would end it at once, so it does not count any more.
 * @throws DomainError FIRMWARE_INSTALLATION_STATE where it has not ended; what createInstallation throws
 */
export function retryInstallation(
  tx: Tx,
  tenantId: string,
  old: InstallationView,
  requestedBy: string,
  now: number,
): Promise<InstallationView> {
  if (old.endedAt === null)
    throw new DomainError(
      'FIRMWARE_INSTALLATION_STATE',
      `installation ${old.id} is ${old.state} and has not ended; wait for its end, or cancel it first`,
      { state: old.state },
    );
  // What it may replace on a way back was its rollout's. That it may not replace what is newer stays.
  const { timeouts, retry, soak, maxDefer, rules } = old.policy;
  const kept = rules?.allowDowngrade === false ? { rules: { allowDowngrade: false, replaces: null } } : {};
  return createInstallation(
    tx,
    tenantId,
    {
      deviceId: old.deviceId,
      firmwareId: old.firmwareId,
      slot: old.slot,
      requestedBy,
      priority: old.priority,
      policy: { timeouts, retry, soak, maxDefer, ...kept },
      gate: old.gate,
      onConflict: 'queue',
      ...(old.deadline !== null && old.deadline > now ? { deadline: old.deadline } : {}),
      retryOf: old.id,
    },
    now,
  );
}
