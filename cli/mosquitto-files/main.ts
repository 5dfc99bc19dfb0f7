import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { initialSecurity, mosquittoConf } from '../../adapters/broker/mosquitto.js';
import { readSettings } from '../../runtime/settings.js';

/**
 * `node dist/cli/mosquitto-files/main.js --dir /etc/mosquitto/slipway`: what mosquitto needs before its first start,
 * made from the same rules as the embedded broker's. `--seen-as`: where mosquitto finds that folder, if that is
 * elsewhere (in a container). The service's name and password come from MQTT_USERNAME and MQTT_PASSWORD. Logins that
 * are there already are never overwritten.
 */
const OPTIONS = {
  dir: { type: 'string' },
  data: { type: 'string' },
  'seen-as': { type: 'string' },
  host: { type: 'string', default: '127.0.0.1' },
  port: { type: 'string', default: '1883' },
  plugin: { type: 'string' },
} as const;
const SECURITY = 'dynamic-security.json';

function main(): void {
  const { values } = parseArgs({ options: OPTIONS });
  const { username, password } = readSettings().mqtt;
  if (values.dir === undefined)
    throw new Error('--dir is missing: the folder that mosquitto.conf and dynamic-security.json are written to');
  if (username === undefined || password === undefined)
    throw new Error(
      'MQTT_USERNAME and MQTT_PASSWORD are missing: the service connects, and administers mosquitto, in that name',
    );
  if (!/^\d{1,5}$/.test(values.port)) throw new Error(`--port must be a port, not "${values.port}"`);
  const dir = resolve(values.dir);
  mkdirSync(dir, { recursive: true });
  const seenAs = resolve(values['seen-as'] ?? dir);
  const securityFile = join(dir, SECURITY);
  if (existsSync(securityFile)) process.stdout.write(`${securityFile} is kept: it holds the logins of devices.\n`);
  else write(securityFile, initialSecurity({ username, password }));
  const conf = join(dir, 'mosquitto.conf');
  write(
    conf,
    mosquittoConf({
      host: values.host,
      port: Number(values.port),
      dataDir: resolve(values.data ?? seenAs),
      plugin: values.plugin ?? findPlugin(),
      securityFile: join(seenAs, SECURITY),
    }),
  );
  process.stdout.write(`Give the folder to mosquitto's user, then: mosquitto -c ${conf}\n`);
}

function write(path: string, content: string): void {
  writeFileSync(path, content, { mode: 0o600 });
  process.stdout.write(`${path} is written.\n`);
}

/** Debian has one folder per architecture. */
function findPlugin(): string {
  const folders = ['/usr/lib', '/usr/local/lib']
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => [folder, ...readdirSync(folder).map((name) => join(folder, name))]);
  const found = folders.map((folder) => join(folder, 'mosquitto_dynamic_security.so')).find((path) => existsSync(path));
  if (found === undefined)
    throw new Error('mosquitto_dynamic_security.so was not found below /usr/lib: give its path with --plugin');
  return found;
}

try {
  main();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
