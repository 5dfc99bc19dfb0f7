import { describe, expect, it } from '@jest/globals';
import type { SlotNow } from '../../domain/installation/slot-now.js';
import { judgeAdmission, judgeRollback } from '../../domain/rollout/admission.js';

const NEW = 'b'.repeat(64);
const OLD = 'a'.repeat(64);
const slot = (also: Partial<SlotNow> = {}): SlotNow => ({
  sha256: OLD,
  version: '1.0.0',
  confirmed: true,
  open: [],
  ...also,
});
const wanted = { slot: 'firmware', sha256: NEW, version: '2.0.0', isAssociated: true };
const queue = { allowDowngrade: false, onConflict: 'queue' as const };

describe('An admission', () => {
  const table: [
    sentence: string,
    slot: SlotNow | undefined,
    wanted: typeof wanted | undefined,
    rules: Parameters<typeof judgeAdmission>[2],
    becomes: string,
    because?: RegExp,
  ][] = [
    ['installs over older content', slot(), wanted, queue, 'install'],
    ['installs into an empty slot', slot({ sha256: null, version: null, confirmed: false }), wanted, queue, 'install'],
    ['skips a device that was deleted', undefined, wanted, queue, 'skipped', /device was deleted/],
    ['rejects where the firmware was deleted', slot(), undefined, queue, 'rejected', /the firmware was deleted/],
    [
      'rejects where the firmware is not associated with the slot any more',
      slot(),
      { ...wanted, isAssociated: false },
      queue,
      'rejected',
      /no longer associated with slot "firmware"/,
    ],
    ['concludes where the slot holds the content', slot({ sha256: NEW }), wanted, queue, 'alreadyInstalled'],
    ['installs content that was never confirmed', slot({ sha256: NEW, confirmed: false }), wanted, queue, 'install'],
    [
      'installs held content that something open will change',
      slot({ sha256: NEW, open: ['i'] }),
      wanted,
      queue,
      'install',
    ],
    ['skips a downgrade', slot({ version: '3.0.0' }), wanted, queue, 'skipped', /holds 3\.0\.0, which is newer/],
    [
      'rejects what cannot be compared with what the slot holds',
      slot({ version: 'factory' }),
      wanted,
      queue,
      'rejected',
      /holds factory, which cannot be compared with 2\.0\.0; set allowDowngrade/,
    ],
    [
      'installs what cannot be compared where the plan allows downgrades',
      slot({ version: 'factory' }),
      wanted,
      { ...queue, allowDowngrade: true },
      'install',
    ],
    ['installs over content without a version', slot({ version: null }), wanted, queue, 'install'],
    ['installs a fifth part that is newer', slot({ version: '1.9.9.9.9' }), wanted, queue, 'install'],
    [
      'installs a downgrade that the plan allows',
      slot({ version: '3.0.0' }),
      wanted,
      { ...queue, allowDowngrade: true },
      'install',
    ],
    [
      'rejects a conflict where the plan says so',
      slot({ open: ['i-1'] }),
      wanted,
      { ...queue, onConflict: 'reject' },
      'rejected',
      /installation i-1 is open/,
    ],
    ['queues behind what is open', slot({ open: ['i-1'] }), wanted, queue, 'install'],
  ];
  it.each(table)('%s', (...row) => {
    const [, held, content, rules, becomes, because] = row;
    const verdict = judgeAdmission(held, content, rules);
    expect(verdict.do === 'install' ? 'install' : verdict.as).toBe(becomes);
    if (because) expect(verdict).toMatchObject({ because: expect.stringMatching(because) });
  });
});

describe('A way back', () => {
  const earlier = { sha256: OLD };
  const table: [
    sentence: string,
    slot: SlotNow | undefined,
    earlier: typeof earlier | undefined,
    becomes: string,
    because?: RegExp,
  ][] = [
    ['installs the earlier content over that of the rollout', slot({ sha256: NEW }), earlier, 'install'],
    ['is done where the slot holds the earlier content', slot(), earlier, 'done', /already/],
    ['leaves other content alone', slot({ sha256: 'c'.repeat(64) }), earlier, 'failed', /which stays/],
    ['fails where the earlier firmware was deleted', slot({ sha256: NEW }), undefined, 'failed', /was deleted/],
    ['fails where the device was deleted', undefined, earlier, 'failed', /device was deleted/],
  ];
  it.each(table)('%s', (...row) => {
    const [, held, content, becomes, because] = row;
    const verdict = judgeRollback(held, content, NEW);
    expect(verdict.do === 'install' ? 'install' : verdict.as).toBe(becomes);
    if (because) expect(verdict).toMatchObject({ because: expect.stringMatching(because) });
  });
});
