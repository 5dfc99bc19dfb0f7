import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parse } from 'yaml';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EXIT } from '../../cli/slipway/exit.js';
import { Stack } from './stack.js';
import { masked, parseTranscript, printTranscript, type Step } from './transcript.js';
import { leaves } from './tree.js';

const FOLDER = 'test/cli/transcripts';
const files = readdirSync(FOLDER).sort();
const read = (file: string) => readFileSync(`${FOLDER}/${file}`, 'utf8');
const commands = files.flatMap((file) => parseTranscript(read(file)));

describe('The transcripts', () => {
  it('have every verb', () => {
    const typed = commands.map(({ command }) => command).join('\n');
    expect(leaves().filter(({ name }) => !new RegExp(`slipway ${name}(?![\\w-])`).test(typed))).toEqual([]);
  });

  it('have every exit code', () => {
    const seen = new Set(commands.map(({ output }) => Number(/\[exit (\d+)\]$/.exec(output)?.[1] ?? 0)));
    expect([...seen]).toEqual(expect.arrayContaining(Object.values(EXIT)));
  });
});

describe('slipway, installed from its tarball, against a whole Slipway', () => {
  const stack = new Stack();
  beforeAll(() => stack.start(), 240_000);
  afterAll(() => stack.stop(), 60_000);
  const tenant = async (id: string): Promise<{ key: string }> => {
    const env = `SLIPWAY_URL=$API SLIPWAY_TOKEN=${stack.key}`;
    return JSON.parse((await stack.run(`${env} slipway tenant create ${id} -o json 2>/dev/null`)).said) as {
      key: string;
    };
  };

  it('goes from nothing to a finished rollout as docs/cli.md says', async () => {
    const { key } = await tenant('newcomer');
    writeFileSync(join(stack.folder, 'work/newcomer'), key);
    const [, path = ''] = /```sh\n(npm i -g [^]*?)```/.exec(readFileSync('docs/cli.md', 'utf8')) ?? [];
    const [install, ...lines] = path.trim().split('\n');
    expect(install).toBe(`npm i -g ${relative('.', stack.tarball)}`);
    await stack.run('seq 20000 > switch-1.5.0.bin');
    let id = '';
    for (const line of lines) {
      const typed = line.replace('http://127.0.0.1:8080', '$API').replace('.slipway/admin-token', 'newcomer');
      const { code, said } = await stack.run(`export XDG_CONFIG_HOME=../newcomer; ${typed}`);
      expect([line, code, code === 0 ? '' : said]).toEqual([line, 0, '']);
      if (line.includes('device create')) id = /^id +(\S+)$/m.exec(said)![1]!;
      const [, password] = /^password +(\S+)$/m.exec(said) ?? [];
      if (password)
        await stack.connect([{ tenant: 'newcomer', id, profile: 'good', username: `newcomer/${id}`, password }]);
      if (line.includes('watch')) expect(said).toMatch(/^finished \(succeeded\)/m);
    }
  }, 120_000);

  it('takes no harm from a reader that has enough', async () => {
    const env = `export SLIPWAY_URL=$API SLIPWAY_TOKEN=${stack.key}; set -o pipefail`;
    expect(await stack.run(`${env}; slipway device list | head -1 | grep -c ID`)).toEqual({ code: 0, said: '1\n' });
    expect(await stack.run(`${env}; slipway device list -o json | head -c 1`)).toEqual({ code: 0, said: '[' });
  });

  it('prints data only on standard output, and no colours where there is no terminal', async () => {
    const env = `export SLIPWAY_URL=$API SLIPWAY_TOKEN=${stack.key}`;
    expect(await stack.run(`${env}; slipway device show nothing 2>/dev/null`)).toEqual({ code: 4, said: '' });
    expect((await stack.run(`${env}; slipway device show nothing`)).said).not.toContain('\u001b');
    const { said } = await stack.run(`${env}; slipway device list -o json 2>/dev/null`);
    expect(JSON.parse(said)).toHaveLength(5);
  });

  it('starts in 2.5 times of what node takes for nothing, and lists devices in 4 times', async () => {
    const env = { ...process.env, SLIPWAY_URL: stack.service.endpoints.http, SLIPWAY_TOKEN: stack.key };
    const took = (program: string, ...args: string[]) => {
      const began = performance.now();
      expect(spawnSync(program, args, { env }).status).toBe(0);
      return performance.now() - began;
    };
    const slipway = join(stack.folder, 'npm/bin/slipway');
    // The three in turns, and the ratio of each turn: the machine does other things, too.
    const turns = Array.from({ length: 11 }, () => {
      const nothing = took('node', '-e', '0');
      return { version: took(slipway, '--version') / nothing, list: took(slipway, 'device', 'list') / nothing };
    });
    const median = (all: readonly number[]) => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)]!;
    expect(median(turns.map(({ version }) => version))).toBeLessThan(2.5);
    expect(median(turns.map(({ list }) => list))).toBeLessThan(4);
  }, 120_000);

  it.each(files)(
    'prints what %s holds',
    async (file) => {
      const now: Step[] = [];
      for (const step of parseTranscript(read(file))) {
        const { code, said } = await stack.run(step.command);
        const lines = masked(said, stack.service.endpoints.http, stack.folder).trimEnd();
        const output = [...(lines === '' ? [] : [lines]), ...(code === 0 ? [] : [`[exit ${code}]`])].join('\n');
        now.push({ ...step, output });
      }
      if (process.env['UPDATE_TRANSCRIPTS']) writeFileSync(`${FOLDER}/${file}`, printTranscript(now));
      expect(printTranscript(now)).toBe(printTranscript(parseTranscript(read(file))));
    },
    300_000,
  );

  // Behind the transcripts: devices take no older version.
  it('releases from a pipeline as examples/ci does, and again', async () => {
    const pipelines = ['github-actions.yml', 'gitlab-ci.yml'].map((file) =>
      readFileSync(`examples/ci/${file}`, 'utf8'),
    );
    for (const text of pipelines) {
      expect(parse(text)).toBeInstanceOf(Object);
      expect(text).toMatch(/examples\/ci\/release\.sh switch\.bin switch "\$\{\w+#v\}" examples\/ci\/plan\.yaml$/m);
      expect(text).toContain('DEVICE_TYPE: Light switch');
    }
    const env = `export SLIPWAY_URL=$API SLIPWAY_TOKEN=${stack.key} DEVICE_TYPE=simulated`;
    await stack.run(`seq 9000 > switch.bin; sed -i 's/deviceType==LS-1/name==sim-1,name==sim-2/' ci/plan.yaml`);
    const release = `${env}; sh ci/release.sh switch.bin piped 3.0.0 ci/plan.yaml`;
    const first = await stack.run(release);
    expect([first.code, first.said]).toEqual([0, expect.stringMatching(/^finished \(succeeded\)/m)]);
    // Run again, nothing is uploaded or started twice.
    const second = await stack.run(release);
    expect([second.code, second.said]).toEqual([0, expect.stringMatching(/^finished \(succeeded\)/m)]);
    expect((await stack.run(`${env}; slipway rollout list -q piped -o id`)).said.trim().split('\n')).toHaveLength(1);
    // A version that a device refuses ends the pipeline, and says how.
    await stack.run(`sed -i 's/^  filter:.*/  filter: name==sim-bad/' ci/plan.yaml`);
    const bad = await stack.run(`${env}; sh ci/release.sh switch.bin piped 3.1.0 ci/plan.yaml`);
    expect([7, 8]).toContain(bad.code);
  }, 240_000);
});
