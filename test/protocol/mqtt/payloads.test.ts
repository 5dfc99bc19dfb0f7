import { describe, expect, it } from '@jest/globals';
import {
  MAX_PAYLOAD_BYTES,
  parseDown,
  parseUp,
  print,
  statusReceipt,
  type Printable,
} from '../../../protocol/mqtt/payloads.js';

const ID = '3b241101-e2bb-4255-8caf-4136c566a962';
const SHA = 'ab'.repeat(32);
const up = (type: string) => `slipway/v1/acme/gw-1/gw-1/up/${type}`;
const down = (type: string) => `slipway/v1/acme/gw-1/gw-1/down/${type}`;
const json = (body: unknown) => Buffer.from(JSON.stringify(body));

const held = { version: '1.4.0', sha256: SHA, installationId: ID, revision: 3, confirmed: true };
const hello = {
  v: 1,
  msgId: 'm-1',
  at: '2026-11-24T10:00:00Z',
  agent: { name: 'agent', version: '1' },
  slots: { firmware: held },
} satisfies Printable;
const status = {
  v: 1,
  installationId: ID,
  attempt: 1,
  seq: 2,
  revision: 3,
  slot: 'firmware',
  at: 1_700_000_000_000,
  state: 'installing',
} satisfies Printable;
const progress = { v: 1, installationId: ID, phase: 'download', bytes: 1, total: 2 } satisfies Printable;
const presence = { v: 1, online: true, session: 's-1' } satisfies Printable;
const log = { v: 1, lines: ['boom'] } satisfies Printable;
const desired = {
  v: 1,
  revision: 4,
  installationId: ID,
  attempt: 1,
  issuedAt: '2026-11-24T10:00:00.000Z',
  slot: 'firmware',
  device: { id: 'gw-1', aliases: ['aa:bb'] },
  firmware: {
    id: ID,
    name: 'lamp',
    version: '2',
    size: 20_000_000,
    sha256: SHA,
    contentType: 'application/octet-stream',
  },
  download: { url: 'http://127.0.0.1/x' },
  gate: 'go',
  policy: { maxDeferSeconds: 60, confirmWithinSeconds: 60, retryDownload: 3 },
} satisfies Printable;

function body(type: string, payload: unknown): Record<string, unknown> {
  const parsed = parseUp(up(type), json(payload));
  if (!parsed.ok) throw new Error(`${parsed.reason}: ${parsed.detail}`);
  return parsed.message.body;
}

describe('What a device sends', () => {
  it.each([
    ['hello', hello],
    ['status', status],
    ['progress', progress],
    ['presence', presence],
    ['log', log],
  ] as const)('as %s is read with its address', (type, payload) => {
    const parsed = parseUp(up(type), print(payload));
    expect(parsed).toMatchObject({ ok: true, message: { tenant: 'acme', node: 'gw-1', device: 'gw-1', type } });
  });

  it('may have members that are not known: they are dropped', () => {
    expect(body('presence', { ...presence, later: 1 })).toEqual(presence);
    expect(body('hello', { ...hello, agent: { name: 'a', version: '1', x: 1 } })['agent']).toEqual({
      name: 'a',
      version: '1',
    });
  });

  it('with an unknown state counts as "unknown", not as a fault', () => {
    expect(body('status', { ...status, state: 'polishing' })['state']).toBe('unknown');
    expect(body('status', { ...status, state: 'constructor' })['state']).toBe('unknown');
  });

  it('gives times as RFC 3339 or epoch milliseconds, and both are read as milliseconds', () => {
    expect(body('hello', hello)['at']).toBe(Date.parse('2026-11-24T10:00:00Z'));
    expect(body('hello', { ...hello, at: '2026-11-24T11:00:00+01:00' })['at']).toBe(Date.parse('2026-11-24T10:00:00Z'));
    expect(body('hello', { ...hello, at: '2026-11-24t10:00:00z' })['at']).toBe(Date.parse('2026-11-24T10:00:00Z'));
    expect(body('status', status)['at']).toBe(1_700_000_000_000);
  });

  it.each([[undefined], ['yesterday'], [-5], [1e15], [null], [{}]])(
    'is not refused for an informational time of %j',
    (at) => {
      expect(body('status', { ...status, at })['at']).toBeUndefined();
    },
  );

  it('is refused where a time matters and cannot be read', () => {
    expect(parseUp(up('status'), json({ ...status, state: 'deferred', until: 'soon' }))).toMatchObject({
      ok: false,
      reason: 'invalid',
      detail: expect.stringContaining('status.until'),
    });
    expect(body('status', { ...status, state: 'deferred', until: '2026-11-25T00:00:00Z' })['until']).toBe(
      Date.parse('2026-11-25T00:00:00Z'),
    );
  });

  it('about a slot of unknown content says null', () => {
    const slots = body('hello', { ...hello, slots: { firmware: { confirmed: true } } })['slots'];
    expect(slots).toEqual({
      firmware: { version: null, sha256: null, installationId: null, revision: 0, confirmed: true },
    });
  });

  it('has its ids and digests in lower case', () => {
    expect(body('status', { ...status, installationId: ID.toUpperCase() })['installationId']).toBe(ID);
    expect(
      body('hello', { ...hello, slots: { firmware: { ...held, sha256: SHA.toUpperCase() } } })['slots'],
    ).toMatchObject({ firmware: { sha256: SHA } });
  });

  it('may hold characters that no database stores: they are replaced', () => {
    expect(body('log', { ...log, lines: ['a\0b', '\ud800!'] })['lines']).toEqual(['a\uFFFDb', '\uFFFD!']);
  });

  const error = { code: 'HASH_MISMATCH' };
  it.each([
    ['hello', { ...hello, msgId: undefined }, 'hello.msgId'],
    ['hello', { ...hello, slots: [] }, 'hello.slots'],
    ['hello', { ...hello, slots: { 'a b': held } }, 'hello.slots'],
    ['hello', { ...hello, slots: { toString: held } }, 'hello.slots'],
    ['hello', { ...hello, slots: { firmware: { ...held, confirmed: 'yes' } } }, 'hello.slots.firmware.confirmed'],
    ['hello', { ...hello, slots: { firmware: { ...held, sha256: 'abc' } } }, 'SHA-256'],
    ['hello', { ...hello, children: [{ device: 'c' }] }, 'hello.children.0'],
    ['status', { ...status, installationId: 'x' }, 'status.installationId'],
    ['status', { ...status, attempt: 0 }, 'status.attempt'],
    ['status', { ...status, seq: 1.5 }, 'status.seq'],
    ['status', { ...status, attempt: 2 ** 31 }, 'status.attempt'],
    ['status', { ...status, state: 7 }, 'status.state'],
    ['status', { ...status, slot: '../x' }, 'status.slot'],
    ['status', { ...status, error: { ...error, code: '' } }, 'status.error.code'],
    ['progress', { ...progress, bytes: -1 }, 'progress.bytes'],
    ['progress', { ...progress, phase: 'x' }, 'progress.phase'],
    ['presence', { v: 1, online: true }, 'presence.session'],
    ['log', { v: 1, lines: [] }, 'log.lines'],
    ['status', [], 'JSON object'],
    ['status', null, 'JSON object'],
    ['status', 'x', 'JSON object'],
  ])('as %s is refused as invalid, naming the member (%#)', (type, payload, named) => {
    expect(parseUp(up(type), json(payload))).toEqual({
      ok: false,
      reason: 'invalid',
      detail: expect.stringContaining(named),
    });
  });

  it.each([
    ['foreign_topic', 'slipway/v1/a/b/c/down/cmd', json({ v: 1 })],
    ['foreign_topic', 'x', json(hello)],
    ['foreign_topic', 'slipway/v1/acme/gw-1/lamp/up/presence', json(presence)],
    ['too_large', up('log'), Buffer.alloc(MAX_PAYLOAD_BYTES + 1, 0x20)],
    ['not_utf8', up('log'), Buffer.from([0x7b, 0xff, 0x7d])],
    ['not_json', up('log'), Buffer.from('{"v":1')],
    ['not_json', up('log'), Buffer.alloc(0)],
    ['not_json', up('log'), Buffer.from('['.repeat(8_000))],
    ['unknown_version', up('log'), json({ ...log, v: 2 })],
    ['unknown_version', up('log'), json({ ...log, v: '1' })],
    ['unknown_version', up('log'), json({ lines: ['x'] })],
  ])('is refused as %s where that is what is wrong (%#)', (reason, topic, payload) => {
    expect(parseUp(topic, payload)).toEqual({ ok: false, reason, detail: expect.stringMatching(/./) });
  });

  it('is never quoted at length in a refusal, and never with what a database cannot store', () => {
    const longest = parseUp(
      up('hello'),
      json({
        ...hello,
        slots: Object.fromEntries([...Array(7).keys()].map((n) => [`${n}\0${'y'.repeat(900)}`, held.version])),
      }),
    );
    expect(longest.ok ? '' : longest.detail).toMatch(/^hello\.slots/);
    expect(longest.ok ? 'x'.repeat(999) : longest.detail.length).toBeLessThan(600);
    expect(longest.ok ? '\0' : longest.detail).not.toContain('\0');
  });
});

describe('What the service sends', () => {
  it('is read by the device as it was printed', () => {
    expect(parseDown(down('desired/firmware'), print(desired))).toEqual({
      ok: true,
      message: { tenant: 'acme', node: 'gw-1', device: 'gw-1', type: 'desired', slot: 'firmware', body: desired },
    });
    expect(parseDown(down('cmd'), print({ v: 1, cmd: 'cancel', installationId: ID }))).toMatchObject({
      ok: true,
      message: { type: 'cmd', body: { cmd: 'cancel' } },
    });
    const ack = {
      v: 1,
      for: statusReceipt(status),
      result: 'ok',
      open: { firmware: { installationId: ID, revision: 4 } },
      children: { 'aa:bb': 'lamp' },
    } as const;
    expect(ack.for).toBe(`${ID}/1/2`);
    expect(parseDown(down('ack'), print(ack))).toMatchObject({ ok: true, message: { type: 'ack', body: ack } });
  });

  it('as an empty desired document means: nothing', () => {
    expect(parseDown(down('desired/firmware'), Buffer.alloc(0))).toMatchObject({
      ok: true,
      message: { slot: 'firmware', body: null },
    });
    expect(parseDown(down('cmd'), Buffer.alloc(0))).toMatchObject({ ok: false, reason: 'not_json' });
  });

  it('is refused by the device where it is not of the protocol', () => {
    expect(parseDown(up('hello'), print(hello))).toMatchObject({ ok: false, reason: 'foreign_topic' });
    expect(parseDown(down('cmd'), json({ v: 1, cmd: 'explode' }))).toMatchObject({ ok: false, reason: 'invalid' });
    expect(parseDown(down('desired/firmware'), json({ ...desired, gate: 'maybe' }))).toMatchObject({
      ok: false,
      reason: 'invalid',
    });
  });

  it('is not printed when it is too large for its readers', () => {
    expect(() => print({ v: 1, lines: Array<string>(10).fill('x'.repeat(1_000)) })).toThrow(/over the limit of 8192/);
  });
});
