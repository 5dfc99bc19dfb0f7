import { UnreachableError } from '../core/fetch-range.js';
import { POINTS } from '../core/hooks.js';
import { CHILD_PROFILES } from './child-profiles.js';
import type { Profile } from './profile.js';
import { pick } from './random.js';

const installed = (because: string) => ({ state: 'installed', because }) as const;

/** Every way of misbehaving that the service must live with, each with the end that it must come to. */
export const PROFILES = {
  good: {
    name: 'good',
    expected: installed('nothing goes wrong'),
    behave: () => ({}),
  },

  resume: {
    name: 'resume',
    expected: installed('the download breaks off once and is resumed where it was'),
    behave: (control) => {
      const share = 0.3 + control.random() * 0.4;
      let broken: 'not yet' | 'breaking' | 'over' = 'not yet';
      return {
        async received({ bytes, offset, desired }) {
          const cutAt = Math.floor(desired.firmware.size * share);
          if (broken === 'breaking') {
            broken = 'over';
            throw new UnreachableError('the connection broke', true);
          }
          if (broken === 'over' || offset + bytes.length < cutAt) return bytes;
          broken = 'breaking';
          control.note('cut', `the download broke off after ${cutAt} bytes`);
          return bytes.subarray(0, Math.max(0, cutAt - offset));
        },
      };
    },
  },

  wrongHash: {
    name: 'wrongHash',
    expected: installed(
      'the first download has a wrong hash, is reported as HASH_MISMATCH, and the next attempt is good',
    ),
    behave: (control) => {
      let isSpoilt = false;
      return {
        async received({ bytes }) {
          if (isSpoilt || bytes.length === 0) return bytes;
          isSpoilt = true;
          control.note('spoilt', 'one bit of the download was turned over');
          const spoilt = Buffer.from(bytes);
          spoilt.writeUInt8(spoilt.readUInt8(0) ^ 1, 0);
          return spoilt;
        },
      };
    },
  },

  rollback: {
    name: 'rollback',
    expected: {
      state: 'failed',
      because: 'the new version does not boot, and the boot loader goes back to the old one: BOOT_FAILED_ROLLED_BACK',
    },
    behave: (control) => ({
      async at(point, slot) {
        if (point !== 'booting') return;
        await control.rollBack(slot);
        control.note('rolled back', 'the new version did not boot');
      },
    }),
  },

  silent: {
    name: 'silent',
    expected: { state: 'timed_out', because: 'the device is connected and never answers the offer' },
    behave: () => ({ offered: async () => ({ answer: 'ignore' }) }),
  },

  slow: {
    name: 'slow',
    expected: installed('the download is slow, and advances'),
    behave: (control) => ({
      async received({ bytes, desired }) {
        await control.wait((control.times.slowDownload * bytes.length) / Math.max(1, desired.firmware.size));
        return bytes;
      },
    }),
  },

  flapping: {
    name: 'flapping',
    expected: installed('the connection goes and comes, and whatever was lost is said again'),
    behave: (control) => {
      let share = 0;
      const perhaps = (probability: number) => {
        if (control.random() < probability) control.disconnect();
      };
      return {
        async received({ bytes, offset, desired }) {
          // Once in each quarter of the download at most, or a large file would mean hundreds.
          const quarter = Math.floor((4 * offset) / Math.max(1, desired.firmware.size));
          if (quarter !== share) perhaps(0.6);
          share = quarter;
          return bytes;
        },
        async at() {
          perhaps(0.4);
        },
      };
    },
  },

  duplicating: {
    name: 'duplicating',
    expected: installed('every report comes twice and out of order'),
    behave: (control) => ({
      async outgoing(message, send) {
        if (message.type !== 'status' && message.type !== 'hello') return send(message);
        await control.wait(control.random() * 400);
        await send(message);
        await control.wait(control.random() * 400);
        await send(message);
      },
    }),
  },

  busy: {
    name: 'busy',
    expected: installed('the device is BUSY at first, and the next attempt is good'),
    behave: () => {
      let offers = 0;
      return {
        offered: async () => {
          offers += 1;
          return offers === 1
            ? { answer: 'fail', code: 'BUSY', message: 'the device is in use', retriable: true }
            : { answer: 'accept' };
        },
      };
    },
  },

  rejecting: {
    name: 'rejecting',
    expected: { state: 'rejected', because: 'the device refuses the firmware: INCOMPATIBLE' },
    behave: () => ({
      offered: async () => ({
        answer: 'reject',
        code: 'INCOMPATIBLE',
        message: 'the hardware revision of this device is too old for it',
        retriable: false,
      }),
    }),
  },

  crashing: {
    name: 'crashing',
    expected: installed('the device loses its power once, at a random point, and goes on from its disk'),
    behave: (control) => {
      const where = pick(['piece', ...POINTS], () => control.random());
      const share = control.random();
      let hasCrashed = false;
      const crash = (detail: string) => {
        if (hasCrashed) return;
        hasCrashed = true;
        control.note('crashed', detail);
        control.crash();
      };
      return {
        async received({ bytes, offset, desired }) {
          if (where === 'piece' && offset + bytes.length > desired.firmware.size * share)
            crash(`in the download, after ${offset} bytes`);
          return bytes;
        },
        async at(point) {
          if (point === where) crash(`at the point "${point}"`);
        },
      };
    },
  },

  deferring: {
    name: 'deferring',
    expected: installed('the device puts it off for a while and then goes on'),
    behave: (control) => {
      let offers = 0;
      return {
        offered: async () => {
          offers += 1;
          return offers === 1 ? { answer: 'defer', forMs: control.times.defer } : { answer: 'accept' };
        },
      };
    },
  },

  offline: {
    name: 'offline',
    isLate: true,
    expected: installed('the device is switched off when it is offered, and finds its document when it comes'),
    behave: () => ({}),
  },

  gateway: {
    name: 'gateway',
    child: () => CHILD_PROFILES.child,
    expected: installed('a gateway is a device, too'),
    behave: () => ({}),
  },

  gatewayWithUnreachableChild: {
    name: 'gatewayWithUnreachableChild',
    child: (index) => (index === 0 ? CHILD_PROFILES.unreachableChild : CHILD_PROFILES.child),
    expected: installed('a gateway is installed whether it reaches its children or not'),
    behave: () => ({}),
  },
} as const satisfies Record<string, Profile>;

/** A key of `PROFILES`, each of which says how the device behaves and how its installation must end. */
export type ProfileName = keyof typeof PROFILES;
