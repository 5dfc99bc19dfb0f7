import { afterAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const dir = mkdtempSync(join(tmpdir(), 'slipway-mosquitto-files-'));
afterAll(() => rmSync(dir, { recursive: true }));

const ADMINISTRATOR = { MQTT_USERNAME: 'slipway-service', MQTT_PASSWORD: 'a secret word' };
/** @returns what it printed. */
const run = (
  args: readonly string[],
  env: Record<string, string> = ADMINISTRATOR,
): Promise<{ code: number; text: string }> =>
  new Promise((resolve) =>
    execFile(
      process.execPath,
      ['dist/cli/mosquitto-files/main.js', '--plugin', '/opt/plugin.so', ...args],
      { env: { PATH: process.env['PATH'], ...env }, timeout: 20_000 },
      (error, stdout, stderr) => resolve({ code: error ? 1 : 0, text: stdout + stderr }),
    ),
  );
const read = (name: string) => readFileSync(join(dir, name), 'utf8');

describe('What mosquitto needs before its first start', () => {
  it('is written for its user alone, and holds no password', async () => {
    expect(await run(['--dir', dir, '--port', '1999', '--host', '0.0.0.0'])).toMatchObject({ code: 0 });
    expect(read('mosquitto.conf')).toContain('listener 1999 0.0.0.0\n');
    expect(read('mosquitto.conf')).toContain('max_queued_messages 1000000\n');
    // At each change it would write all that it keeps.
    expect(read('mosquitto.conf')).toContain('autosave_on_changes false\nautosave_interval 60\n');
    expect(
      (JSON.parse(read('dynamic-security.json')) as { clients: { username: string }[] }).clients.map(
        (client) => client.username,
      ),
    ).toEqual(['slipway-service']);
    for (const name of ['mosquitto.conf', 'dynamic-security.json']) {
      expect(read(name)).not.toContain(ADMINISTRATOR.MQTT_PASSWORD);
      expect((statSync(join(dir, name)).mode & 0o777).toString(8)).toBe('600');
    }
  });

  it('is written again without the logins, which are kept', async () => {
    writeFileSync(join(dir, 'dynamic-security.json'), 'logins');
    expect((await run(['--dir', dir, '--port', '2000'])).text).toMatch(/dynamic-security\.json is kept/);
    expect(read('mosquitto.conf')).toContain('listener 2000 127.0.0.1\n');
    expect(read('dynamic-security.json')).toBe('logins');
  });

  it('names the folder as mosquitto sees it, where that is in a container', async () => {
    expect(await run(['--dir', dir, '--seen-as', '/mosquitto/config', '--data', '/mosquitto/data'])).toMatchObject({
      code: 0,
    });
    expect(read('mosquitto.conf')).toContain('plugin_opt_config_file /mosquitto/config/dynamic-security.json\n');
    expect(read('mosquitto.conf')).toContain('persistence_location /mosquitto/data/\n');
  });

  it.each([
    [[], ADMINISTRATOR, /--dir is missing/],
    [['--dir', dir], {}, /MQTT_USERNAME and MQTT_PASSWORD are missing/],
    [['--dir', dir, '--port', 'x'], ADMINISTRATOR, /--port must be a port, not "x"/],
    [
      ['--dir', join(dir, 'new')],
      { ...ADMINISTRATOR, MQTT_USERNAME: 'acme/device' },
      /cannot be called "acme\/device"/,
    ],
  ])('is not written for %j with %j: a sentence says why', async (args, env, sentence) => {
    const { code, text } = await run(args, env);
    expect(code).toBe(1);
    expect(text).toMatch(sentence);
    expect(text.trim().split('\n')).toHaveLength(1);
  });
});
