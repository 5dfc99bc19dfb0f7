import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { TestedMosquitto } from '../support/mosquitto.js';
import { TestedPostgres } from '../support/postgresql.js';
import { TestedS3 } from '../support/versitygw.js';

/**
 * `npm run test:outside`: the crash suite on Slipway with an outside PostgreSQL 15, mosquitto and S3, by settings alone. What is outside is not
 * killed there: test/e2e/mosquitto.test.ts and test/e2e/s3.test.ts do that. Arguments go to the crash suite.
 */
const CRASH = fileURLToPath(new URL('../crash/main.js', import.meta.url));
const SHORT = ['--kills', '5', '--devices', '40', '--seed', '11'];

const open: { close(): Promise<void> }[] = [];
const kept = <T extends { close(): Promise<void> }>(service: T): T => {
  open.unshift(service);
  return service;
};

try {
  const [postgres, broker, s3] = [kept(await TestedPostgres.start()), kept(await TestedMosquitto.start()), kept(await TestedS3.start())];
  const env = {
    ...process.env, ...s3.settings, DATABASE_URL: postgres.url,
    MQTT_URL: broker.url, MQTT_USERNAME: broker.service.username, MQTT_PASSWORD: broker.service.password, SLIPWAY_MQTT_ADMIN: 'dynsec',
  };
  process.stdout.write(`PostgreSQL 15, mosquitto (${broker.url}) and S3 (${s3.endpoint}) are outside.\n`);
  const given = process.argv.slice(2);
  const child = spawn(process.execPath, ['--enable-source-maps', CRASH, ...(given.length === 0 ? SHORT : given)], { env, stdio: 'inherit' });
  process.exitCode = await new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
} finally {
  for (const service of open) await service.close();
}
