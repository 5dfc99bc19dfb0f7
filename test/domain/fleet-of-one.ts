import type { Device, Installation } from '../../domain/installation/installation.js';
import { DEFAULT_POLICY, type Policy } from '../../domain/installation/policy.js';
import { apply, emptySlot, type DeviceAggregate } from '../../domain/installation/device-aggregate.js';
import { applyHello } from '../../domain/installation/hello.js';
import type { InstallationEvent } from '../../domain/installation/events.js';

/**
 * Stories about one device, told without a clock or a database: `given().requested('a').begins('a').reports('a',
 * 'installed')`.
 */
export const T0 = Date.parse('2026-01-01T00:00:00Z');
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const NEW = 'b'.repeat(64);
export const OLD = 'a'.repeat(64);

export function installation(id: string, changes: Partial<Installation> = {}): Installation {
  return {
    tenantId: 'default',
    id,
    deviceId: 'd',
    firmwareId: 'f',
    slot: 'firmware',
    state: 'scheduled',
    executing: false,
    place: 'has',
    attempt: 1,
    lastSeq: 0,
    revision: null,
    rolloutId: null,
    gate: 'go',
    priority: 0,
    policy: DEFAULT_POLICY,
    sha256: NEW,
    version: '2.0.0',
    priorSha256: null,
    notBefore: null,
    deadline: null,
    retryAt: null,
    dueAt: null,
    requestedAt: T0,
    stateSince: T0,
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
    ...changes,
  };
}

const device: Device = {
  tenantId: 'default',
  id: 'd',
  online: true,
  reachable: null,
  session: null,
  lastSeenAt: T0,
  silentSince: null,
  bootId: null,
  boots: [],
  agent: null,
  caps: null,
  saidType: null,
  helloWantedAt: null,
  helloAt: null,
};

interface HelloDetails {
  version?: string;
  installationId?: string;
  confirmed?: boolean;
  revision?: number;
  bootId?: string;
  /** A gateway says it of its child. */
  byGateway?: boolean;
}

export class Story {
  constructor(
    public aggregate: DeviceAggregate = {
      device,
      slots: { firmware: { ...emptySlot('firmware'), sha256: OLD, confirmed: true } },
      installations: {},
    },
    public now = T0,
    public last = 'nothing',
  ) {}

  requested(id: string, changes: Partial<Installation> = {}): Story {
    return new Story(
      {
        ...this.aggregate,
        installations: {
          ...this.aggregate.installations,
          [id]: installation(id, { requestedAt: this.now, ...changes }),
        },
      },
      this.now,
    );
  }

  withPolicy(id: string, policy: Partial<Policy>): Story {
    return this.requested(id, { policy: { ...DEFAULT_POLICY, ...policy } });
  }

  does(id: string, event: InstallationEvent): Story {
    const { aggregate, result } = apply(this.aggregate, id, event, this.now);
    return new Story(aggregate, this.now, result.outcome === 'refused' ? result.reason : result.outcome);
  }

  begins(id: string): Story {
    return this.does(id, { type: 'begin' });
  }

  reports(
    id: string,
    type: 'accepted' | 'downloading' | 'downloaded' | 'installing' | 'rebooting' | 'installed' | 'canceled',
    attempt?: number,
  ): Story {
    return this.does(id, attempt === undefined ? { type } : { type, attempt });
  }

  fails(id: string, code: string, retriable?: boolean): Story {
    return this.does(id, {
      type: 'failed',
      error: { code, message: 'it went wrong', ...(retriable === undefined ? {} : { retriable }) },
    });
  }

  hello(sha256: string | null, more: HelloDetails = {}): Story {
    const slot = {
      version: more.version ?? null,
      sha256,
      installationId: more.installationId ?? null,
      revision: more.revision ?? 0,
      confirmed: more.confirmed ?? true,
    };
    const hello = {
      slots: { firmware: slot },
      ...(more.bootId === undefined ? {} : { bootId: more.bootId }),
      ...(more.byGateway === true ? { reachable: true } : {}),
    };
    return new Story(applyHello(this.aggregate, hello, this.now), this.now, 'applied');
  }

  after(ms: number): Story {
    return new Story(this.aggregate, this.now + ms, this.last);
  }

  timerFires(id: string): Story {
    const due = this.of(id).dueAt;
    if (due === null) throw new Error(`${id} has no deadline`);
    return new Story(this.aggregate, Math.max(this.now, due), this.last).does(id, { type: 'deadline' });
  }

  of(id: string): Installation {
    return this.aggregate.installations[id]!;
  }

  states(): Record<string, string> {
    return Object.fromEntries(Object.entries(this.aggregate.installations).map(([id, one]) => [id, one.state]));
  }
}

export function given(): Story {
  return new Story();
}
