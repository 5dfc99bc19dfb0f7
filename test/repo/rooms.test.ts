import { describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';

/**
 * What stands beside the rooms of a folder, at its top level. A new file there is a decision: name it here, or put it
 * into a room. Folders whose rooms are walled are not here (.dependency-cruiser.cjs says what stands alone in them).
 */
const BESIDE_THE_ROOMS: Readonly<Record<string, readonly string[]>> = {
  '.': ['.dependency-cruiser.cjs', 'build.js', 'eslint.config.js', 'jest.config.js', 'pack.js'],
  activities: [
    'earlier-installation.ts',
    'group-commit.ts',
    'index.ts',
    'installation.ts',
    'look-at-rows.ts',
    'process-events.ts',
    'rollout-steps.ts',
    'rollout.ts',
  ],
  bench: [
    'arguments.ts',
    'child.ts',
    'covers.d.ts',
    'covers.js',
    'devices.ts',
    'fleet.ts',
    'free-port.ts',
    'lean-device.ts',
    'long.ts',
    'machine.ts',
    'main.ts',
    'messages.ts',
    'part.ts',
    'parts.ts',
    'profile-children.ts',
    'profile.ts',
    'proofs.ts',
    'report.ts',
    'result.ts',
    'rush.ts',
    'stage.ts',
    'statistics.ts',
    'usage.ts',
    'wait.ts',
  ],
  cli: [],
  client: ['connect.ts', 'follow.ts', 'generate.js', 'index.ts'],
  deploy: [],
  domain: [
    'assert-never.ts',
    'back-off.ts',
    'defined.ts',
    'duration.ts',
    'errors.ts',
    'instant.ts',
    'key-strength.ts',
    'near-names.ts',
    'pairs.ts',
    'permissions.ts',
    'plural.ts',
    'rates.ts',
    'shortened.ts',
    'tenant.ts',
    'times.ts',
    'uuid.ts',
  ],
  examples: [],
  protocol: [],
  runtime: [
    'certificates.ts',
    'counter-buffer.ts',
    'edge-settings.ts',
    'log.ts',
    'networks.ts',
    'pause.ts',
    'request-context.ts',
    'retention-settings.ts',
    'secret-files.ts',
    'setting-kinds.ts',
    'settings.ts',
    'shutdown.ts',
    'temporal-connection.ts',
    'tls-settings.ts',
  ],
  test: [],
  workers: ['api.ts', 'bridge.ts', 'broker.ts', 'orchestrator.ts', 'up.ts'],
  workflows: [
    'activities.ts',
    'earlier-installation.ts',
    'index.ts',
    'installation.ts',
    'messages.ts',
    'mission.ts',
    'rollout.ts',
    'status-in.ts',
    'waiting.ts',
  ],
};
/** The rooms of folders that have them but no walls between them. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  bench: ['age', 'engine', 'ingest', 'lists', 'live', 'parts', 'rollout', 'storm', 'transfer'],
  cli: ['admin', 'mosquitto-files', 'slipway'],
  client: ['generated'],
  deploy: ['image'],
  domain: ['artifact', 'audit', 'fleet', 'installation', 'rollout', 'statistics', 'webhook'],
  protocol: ['ddi', 'http', 'mqtt'],
  workers: ['embedded'],
};

const code = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { encoding: 'utf8' })
  .trim()
  .split('\n')
  .filter((file) => /\.(ts|js|cjs)$/.test(file) && existsSync(file));
const walls = createRequire(import.meta.url)('../../.dependency-cruiser.cjs') as { forbidden: { name: string }[] };
const walled = walls.forbidden.flatMap(({ name }) => /^(.+)-has-rooms$/.exec(name)?.[1] ?? []);
const ofFolder = (folder: string) => code.filter((file) => file.startsWith(`${folder}/`));

describe('Every source file', () => {
  it('stands in a folder that is known here, or whose rooms are walled', () => {
    const folders = new Set(code.map((file) => (file.includes('/') ? file.slice(0, file.indexOf('/')) : '.')));
    expect([...folders].filter((folder) => !(folder in BESIDE_THE_ROOMS) && !walled.includes(folder))).toEqual([]);
    expect(walled).toEqual(expect.arrayContaining(['store', 'bridge', 'api', 'demo', 'agent', 'adapters', 'web']));
  });

  it.each(Object.entries(BESIDE_THE_ROOMS))('of %s/ at the top level is one that is named here', (folder, allowed) => {
    const files = folder === '.' ? code : ofFolder(folder).map((file) => file.slice(folder.length + 1));
    expect(files.filter((file) => !file.includes('/')).sort()).toEqual([...allowed].sort());
  });

  it.each(Object.entries(ROOMS))('below %s/ stands in one of its rooms', (folder, rooms) => {
    const found = new Set(
      ofFolder(folder)
        .map((file) => file.split('/'))
        .filter((parts) => parts.length > 2)
        .map(([, room]) => room!),
    );
    expect([...found].sort()).toEqual([...rooms].sort());
  });

  it('of test/ mirrors a folder of the project, or is a kind of test', () => {
    const kinds = [
      'audit',
      'bench',
      'contract',
      'crash',
      'e2e',
      'fixtures',
      'fuzz',
      'histories',
      'outside',
      'repo',
      'rollout',
      'rounds',
      'upgrade',
    ];
    const known = [...Object.keys(BESIDE_THE_ROOMS), ...walled, ...kinds, 'support'];
    const rooms = new Set(ofFolder('test').map((file) => file.split('/')[1]!));
    expect([...rooms].filter((room) => !known.includes(room))).toEqual([]);
  });
});
