import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SHELLS, type Shell } from '../../cli/slipway/completion/scripts.js';
import { bashText, typedIn } from '../../cli/slipway/completion/words.js';
import { freePort } from '../../workers/embedded/ports.js';
import { ApiProcess } from '../api/api-process.js';
import { runSlipway } from './run-slipway.js';
import { installTarball } from './tarball.js';
import { Terminal } from './terminal.js';

const folder = mkdtempSync(join(tmpdir(), 'slipway-completion-'));
let api: ApiProcess;
let ids: { device: string; rollout: string };
const env = (): Record<string, string> => ({
  PATH: `${join(folder, 'bin')}:${process.env['PATH']}`,
  HOME: folder,
  LANG: 'C.UTF-8',
  TERM: 'xterm',
  SLIPWAY_URL: api.url,
  SLIPWAY_TOKEN: api.token,
});
const slipway = async (...args: string[]) => {
  const { code, said } = await runSlipway([...args, '-o', 'id'], env());
  expect([args.join(' '), code, code === 0 ? '' : said]).toEqual([args.join(' '), 0, '']);
  return said.trim().split('\n')[0]!;
};

beforeAll(async () => {
  installTarball(folder);
  api = await ApiProcess.prepare('completion');
  await api.start();
  await slipway('type', 'create', 'Light switch', '--slot', 'firmware', '--model', 'LS-1');
  const file = join(folder, 'switch.bin');
  writeFileSync(file, 'some bytes');
  await slipway(
    'firmware',
    'upload',
    file,
    '--name',
    'switch',
    '--version',
    '1.5.0',
    '--type',
    'Light switch',
    '--slot',
    'firmware',
  );
  const device = await slipway('device', 'create', 'hall', '--type', 'Light switch');
  await slipway('device', 'create', 'kitchen', '--type', 'Light switch');
  const plan = ['--slot', 'firmware', '--firmware', 'switch@1.5.0', '--filter', 'name==hall'];
  ids = { device, rollout: await slipway('rollout', 'create', '--name', 'switch 1.5.0', ...plan) };
  mkdirSync(join(folder, 'work'));
  writeFileSync(join(folder, 'work/plan-of-the-week.yaml'), '');
}, 120_000);
afterAll(async () => {
  await api.remove();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

/** How each is started, without files of the machine, and told the script. */
const START: Readonly<Record<Shell, readonly [command: string, ...lines: string[]]>> = {
  bash: ['bash --norc --noprofile -i', 'eval "$(slipway completion bash)"'],
  zsh: ['zsh -f -i', 'autoload -U compinit; compinit -u -D', 'eval "$(slipway completion zsh)"'],
  fish: ['fish --no-config -i', 'slipway completion fish | source'],
};

describe.each(SHELLS)('In %s the Tab key completes', (shell) => {
  let terminal: Terminal;
  beforeAll(async () => {
    terminal = new Terminal(`completion-${shell}`, env());
    const [command, ...lines] = START[shell];
    terminal.start(command);
    for (const line of [`cd ${join(folder, 'work')}`, ...lines, `echo rea''dy`]) {
      terminal.type(line);
      terminal.press('Enter');
    }
    await terminal.shows(/^ready/m);
  }, 60_000);
  afterAll(() => terminal.end());

  /** Types, presses Tab, and waits for what then stands in the line. */
  const completes = async (typed: string, whole: string) => {
    terminal.press('C-l');
    terminal.type(typed);
    terminal.press('Tab');
    const escaped = whole.replaceAll(/[\\^$.*+?()[\]{}|"]/g, '\\$&');
    // The terminal does not show spaces at the end of a line.
    await terminal.shows(new RegExp(`[$%>#] ?${escaped}`));
    terminal.press('C-u');
  };

  it('verbs, and options with their values', async () => {
    await completes('slipway rollout wat', 'slipway rollout watch');
    await completes('slipway device list --fil', 'slipway device list --filter');
    await completes('slipway device list -o ta', 'slipway device list -o table');
  }, 60_000);

  it('devices by their name and by their id', async () => {
    await completes('slipway device show hal', 'slipway device show hall');
    await completes(`slipway device show ${ids.device.slice(0, -2)}`, `slipway device show ${ids.device}`);
  }, 60_000);

  it('rollouts by their name, which has a space, and by their id', async () => {
    await completes('slipway rollout show swi', 'slipway rollout show switch\\ 1.5.0');
    await completes('slipway rollout show "swi', 'slipway rollout show "switch 1.5.0"');
    await completes(`slipway rollout pause ${ids.rollout.slice(0, -2)}`, `slipway rollout pause ${ids.rollout}`);
  }, 60_000);

  it('a version of a firmware, whose sign breaks words in bash', async () => {
    await completes(
      'slipway install hall --slot firmware --firmware switch@1',
      'slipway install hall --slot firmware --firmware switch@1.5.0',
    );
  }, 60_000);

  it('files where a file is asked for', async () => {
    await completes('slipway rollout create -f plan-o', 'slipway rollout create -f plan-of-the-week.yaml');
  }, 60_000);
});

describe('What the scripts ask', () => {
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => void sockets.add(socket));
  beforeAll(() => new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve)));
  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => silent.close(resolve));
  });
  const asked = async (more: Record<string, string>) => {
    const began = performance.now();
    const ran = await runSlipway(['__complete', 'bash', 'slipway device show h'], { ...env(), ...more });
    return { ...ran, took: performance.now() - began };
  };
  const nothing = expect.objectContaining({ code: 0, said: '' });

  it('answers nothing, and no error, where the service is away, refuses, or is not known', async () => {
    expect(await asked({})).toMatchObject({ code: 0, said: 'hall\n' });
    expect(await asked({ SLIPWAY_TOKEN: 'slp_wrong' })).toEqual(nothing);
    expect(await asked({ SLIPWAY_URL: '', SLIPWAY_TOKEN: '' })).toEqual(nothing);
    expect(await asked({ SLIPWAY_URL: `http://127.0.0.1:${await freePort()}` })).toEqual(nothing);
  }, 60_000);

  it('answers nothing within a second where the service is silent', async () => {
    // What starting the program takes is not counted: the machine does other things, too.
    const away = await asked({ SLIPWAY_URL: `http://127.0.0.1:${await freePort()}` });
    const waited = await asked({ SLIPWAY_URL: `http://127.0.0.1:${(silent.address() as AddressInfo).port}` });
    expect(waited).toEqual(nothing);
    expect(waited.took - away.took).toBeLessThan(3_000);
  }, 60_000);
});

describe('A line of bash', () => {
  it.each([
    ['slipway device show ha', ['slipway', 'device', 'show'], 'ha', 'hall', 'hall'],
    ['slipway rollout show ', ['slipway', 'rollout', 'show'], '', 'a b', 'a\\ b'],
    ['slipway rollout show a\\ b', ['slipway', 'rollout', 'show'], 'a b', 'a b c', 'a\\ b\\ c'],
    ['slipway rollout show "a b', ['slipway', 'rollout', 'show'], 'a b', 'a b$c', 'a b\\$c'],
    ["slipway rollout show 'a b", ['slipway', 'rollout', 'show'], 'a b', 'a b$c', 'a b$c'],
    ['slipway "rollout" show s@1', ['slipway', 'rollout', 'show'], 's@1', 's@1.5', '@1.5'],
    ['slipway device list --output=j', ['slipway', 'device', 'list'], '--output=j', '--output=json', 'json'],
  ])('%s', (line, before, current, value, inserted) => {
    const typed = typedIn(line);
    expect(typed).toMatchObject({ before, current });
    expect(bashText(value, typed)).toBe(inserted);
  });
});
