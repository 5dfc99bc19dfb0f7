import { describe, expect, it } from '@jest/globals';
import { DEFAULT_POLICY } from '../../domain/installation/policy.js';
import { waitingOn } from '../../domain/installation/waiting-on.js';
import { LAST_REVISION } from '../../domain/installation/device-aggregate.js';
import { given, MINUTE, NEW, OLD, T0, type Story } from './fleet-of-one.js';

const { confirm } = DEFAULT_POLICY.timeouts;

/** A device that was heard under boot `b1`, was offered installation `a`, and reports that it reboots. */
const rebooting = (changes = {}): Story =>
  given()
    .hello(OLD, { bootId: 'b1' })
    .after(MINUTE)
    .requested('a', changes)
    .begins('a')
    .reports('a', 'downloaded')
    .reports('a', 'installing')
    .after(MINUTE)
    .reports('a', 'rebooting')
    .after(1_000);

const soaking = (): Story =>
  given()
    .hello(OLD, { bootId: 'b1' })
    .after(MINUTE)
    .withPolicy('a', { soak: 10 * MINUTE })
    .begins('a')
    .reports('a', 'rebooting')
    .after(MINUTE)
    .hello(NEW, { bootId: 'b2', installationId: 'a' })
    .after(MINUTE);

describe('A hello while the restart is awaited', () => {
  it('with a boot that was never heard of and the old content confirmed ends the attempt: the device went back', () => {
    const back = rebooting().hello(OLD, { bootId: 'b2' });
    expect(back.of('a')).toMatchObject({
      state: 'failed',
      rejectReason: 'BOOT_FAILED_ROLLED_BACK: the device restarted with the old content',
      error: { code: 'BOOT_FAILED_ROLLED_BACK' },
    });
  });

  it.each([
    ['of a boot that was heard before it reported that it reboots: it was redelivered', OLD, { bootId: 'b1' }],
    ['without a boot id', OLD, {}],
    ['that does not confirm the old content', OLD, { bootId: 'b2', confirmed: false }],
    ['that does not know what the slot holds', null, { bootId: 'b2' }],
    ["that is a gateway's word about its child", OLD, { bootId: 'b2', byGateway: true }],
  ])('%s does not end it: the deadline decides', (_title, sha256, more) => {
    const heard = rebooting().hello(sha256, more);
    expect(heard.of('a').state).toBe('rebooting');
    expect(heard.timerFires('a').timerFires('a').of('a').state).toBe('timed_out');
  });

  it('of a boot that came in the same batch, before the report that it reboots, does not end it when it is repeated', () => {
    const batch = given()
      .hello(OLD, { bootId: 'b1' })
      .after(MINUTE)
      .requested('a')
      .begins('a')
      .reports('a', 'installing')
      .after(MINUTE)
      .hello(OLD, { bootId: 'b2' })
      .reports('a', 'rebooting');
    expect(batch.hello(OLD, { bootId: 'b2' }).of('a').state).toBe('rebooting');
    expect(batch.hello(OLD, { bootId: 'b3' }).of('a')).toMatchObject({ error: { code: 'BOOT_FAILED_ROLLED_BACK' } });
  });

  it('of a power cut while it installs does not end it: the device may go on after it', () => {
    const cut = given()
      .hello(OLD, { bootId: 'b1' })
      .requested('a')
      .begins('a')
      .reports('a', 'installing')
      .after(MINUTE)
      .hello(OLD, { bootId: 'b2' });
    expect(cut.of('a').state).toBe('installing');
    expect(cut.after(MINUTE).hello(NEW, { bootId: 'b3', installationId: 'a' }).of('a').state).toBe('installed');
  });

  it('that proves nothing is shown: the sentence says that the device is back with other content', () => {
    const heard = rebooting().hello(OLD, {});
    expect(waitingOn(heard.of('a'))).toContain(
      `Waiting for the device to show the new content: it was back with other content at ${new Date(heard.now).toISOString()}`,
    );
  });
});

describe('A hello during the soak', () => {
  it('with other content ends it as failed', () => {
    expect(soaking().hello(OLD, { bootId: 'b3' }).of('a')).toMatchObject({
      state: 'failed',
      error: { code: 'BOOT_FAILED_ROLLED_BACK' },
    });
  });

  it('of a boot that was heard before the attempt does not count: it was redelivered', () => {
    expect(soaking().hello(OLD, { bootId: 'b1' }).of('a').state).toBe('confirming');
  });

  it('that does not know the content is not other content', () => {
    const heard = soaking().hello(null, { bootId: 'b3' });
    expect(heard.of('a').state).toBe('confirming');
    expect(heard.timerFires('a').of('a').state).toBe('installed');
  });

  it('that never confirms the content lets the soak end without success', () => {
    const heard = soaking().hello(NEW, { bootId: 'b2', installationId: 'a', confirmed: false });
    expect(heard.timerFires('a').of('a')).toMatchObject({
      state: 'timed_out',
      rejectReason: 'the device did not confirm the new content during the soak',
    });
  });
});

describe('A report of `installed`', () => {
  const installedAs = (version: string, story = rebooting()): Story =>
    story.does('a', { type: 'installed', version, attempt: 1, seq: 9 });

  it.each(['2.0.0', 'v2.0.0', '2.0', '2.0.0+build.7', 'two point zero'])(
    'with a version that does not compare as different is a success, and the text of the device is kept: %s',
    (version) => {
      const done = installedAs(version);
      expect(done.of('a').state).toBe('installed');
      expect(done.aggregate.slots['firmware']).toMatchObject({ sha256: NEW, version });
    },
  );

  it.each(['1.9.9', '2.0.1', 'v3', '2.0.0-rc.1'])(
    'with a version that compares as different is doubted: the device is asked, and fails at the deadline: %s',
    (version) => {
      const doubted = installedAs(version);
      expect(doubted.of('a')).toMatchObject({ state: 'rebooting', doubt: { version } });
      expect(doubted.aggregate.device.helloWantedAt).toBe(doubted.now);
      expect(waitingOn(doubted.of('a'))).toContain(`it reported version "${version}" as installed`);
      // Said again, nothing changes; the deadline stands.
      const again = installedAs(version, doubted.after(MINUTE));
      expect(again.of('a').dueAt).toBe(doubted.now + confirm);
      expect(again.timerFires('a').of('a')).toMatchObject({
        state: 'failed',
        error: { code: 'VERSION_MISMATCH' },
      });
    },
  );

  it('with the version that the slot held before, to the letter, is doubted although the firmware has none', () => {
    const held = given()
      .hello(OLD, { version: 'factory' })
      .requested('a', { version: null })
      .begins('a')
      .reports('a', 'rebooting');
    expect(installedAs('factory', held).of('a').state).toBe('rebooting');
    expect(installedAs('other', held).of('a').state).toBe('installed');
  });

  it('that was doubted is a success once a hello shows the content', () => {
    const shown = installedAs('1.9.9').after(MINUTE).hello(NEW, { installationId: 'a', version: '1.9.9' });
    expect(shown.of('a')).toMatchObject({ state: 'installed', doubt: null, error: null });
  });

  it('is not doubted where a hello has shown the content before', () => {
    const shown = rebooting({ policy: { ...DEFAULT_POLICY, soak: MINUTE } }).hello(NEW, {
      bootId: 'b2',
      installationId: 'a',
    });
    expect(installedAs('1.9.9', shown).of('a').state).toBe('confirming');
  });
});

describe('An installation that succeeded', () => {
  it('carries no error of an attempt before', () => {
    const done = given()
      .requested('a')
      .begins('a')
      .fails('a', 'HASH_MISMATCH')
      .after(MINUTE)
      .begins('a')
      .reports('a', 'installed');
    expect(done.of('a')).toMatchObject({ state: 'installed', attempt: 2, error: null });
  });
});

describe('A report that names another slot', () => {
  it('is refused, and changes nothing', () => {
    const told = rebooting().does('a', { type: 'installed', slot: 'bootloader', attempt: 1, seq: 9 });
    expect([told.last, told.of('a').state]).toEqual(['wrong_slot', 'rebooting']);
  });
});

describe('Progress', () => {
  const downloading = (): Story => given().requested('a').begins('a').reports('a', 'downloading').after(MINUTE);
  const progress = (phase: string, bytes: number, total = 100) => ({ type: 'progress', phase, bytes, total }) as const;

  it('beyond the total keeps no download alive', () => {
    const story = downloading().does('a', progress('download', 50));
    const due = story.of('a').dueAt;
    expect(story.after(MINUTE).does('a', progress('download', 150)).of('a').dueAt).toBe(due);
    expect(story.after(MINUTE).does('a', progress('download', 60)).of('a').dueAt).toBeGreaterThan(due ?? 0);
  });

  it('of a phase that was over keeps nothing alive', () => {
    const story = downloading().does('a', progress('push', 1)).does('a', progress('install', 1));
    const due = story.of('a').dueAt;
    expect(story.after(MINUTE).does('a', progress('download', 99)).of('a').dueAt).toBe(due);
    expect(story.after(MINUTE).does('a', progress('push', 99)).of('a').dueAt).toBe(due);
  });
});

describe('A deferral', () => {
  it("lasts from the service's own receipt, with any clock of the device, and never beyond the limit", () => {
    const deferred = (forMs?: number) =>
      given()
        .requested('a')
        .begins('a')
        .does('a', forMs === undefined ? { type: 'deferred' } : { type: 'deferred', forMs })
        .of('a').deferral;
    expect(deferred(10 * MINUTE)).toEqual({ since: T0, until: T0 + 10 * MINUTE });
    expect(deferred()).toEqual({ since: T0, until: T0 + DEFAULT_POLICY.maxDefer });
    expect(deferred(Number.MAX_SAFE_INTEGER)).toEqual({ since: T0, until: T0 + DEFAULT_POLICY.maxDefer });
  });
});

describe('A revision in a hello', () => {
  it.each([2_147_483_647, 2 ** 40, LAST_REVISION - 1])('of %d has a document above it', (revision) => {
    const offered = given().hello(OLD, { revision }).requested('a').begins('a');
    expect(offered.of('a').revision).toBe(revision + 1);
    expect(Number.isSafeInteger(offered.of('a').revision)).toBe(true);
  });

  it('that is the last leaves room for one document that can still be printed', () => {
    expect(given().hello(OLD, { revision: LAST_REVISION }).requested('a').begins('a').of('a').revision).toBe(
      LAST_REVISION,
    );
  });
});
