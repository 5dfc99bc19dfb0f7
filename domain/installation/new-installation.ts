import { dueAt } from './deadlines.js';
import type { Installation } from './installation.js';
import type { Policy } from './policy.js';

/** What is known of an installation when it is requested; the rest of its members begins the same for all. */
export interface InstallationRequest {
  readonly tenantId: string;
  readonly id: string;
  readonly deviceId: string;
  readonly firmwareId: string;
  /** SHA-256 and version of the firmware's content. */
  readonly sha256: string;
  readonly version: string | null;
  readonly slot: string;
  /** null = a person asked for it, by itself. */
  readonly rolloutId: string | null;
  readonly policy: Policy;
  readonly priority: number;
  readonly gate: 'go' | 'hold';
  /** Epoch milliseconds. */
  readonly notBefore: number | null;
  readonly deadline: number | null;
}

/** An installation as it begins. @param now epoch milliseconds */
export function newInstallation(request: InstallationRequest, now: number): Installation {
  const installation: Installation = {
    tenantId: request.tenantId,
    id: request.id,
    deviceId: request.deviceId,
    firmwareId: request.firmwareId,
    rolloutId: request.rolloutId,
    slot: request.slot,
    state: 'scheduled',
    executing: false,
    place: 'has',
    attempt: 1,
    lastSeq: 0,
    revision: null,
    gate: request.gate,
    priority: request.priority,
    policy: request.policy,
    sha256: request.sha256,
    version: request.version,
    priorSha256: null,
    notBefore: request.notBefore,
    deadline: request.deadline,
    retryAt: null,
    dueAt: null,
    requestedAt: now,
    stateSince: now,
    startedAt: null,
    completedAt: null,
    rejectedAt: null,
    rejectReason: null,
    endedAt: null,
    progress: null,
    error: null,
    cancel: null,
    deferral: null,
    helloAskedAt: null,
    backAt: null,
    offeredAt: null,
    doubt: null,
    alreadyInstalled: false,
  };
  return { ...installation, dueAt: dueAt(installation) };
}

/** One that is over as it begins: the slot holds the content already. */
export function concludedInstallation(request: InstallationRequest, now: number): Installation {
  return {
    ...newInstallation(request, now),
    state: 'installed',
    completedAt: now,
    endedAt: now,
    dueAt: null,
    alreadyInstalled: true,
  };
}
