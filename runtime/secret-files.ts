import { readFileSync } from 'node:fs';

/**
 * Settings that are secrets, or may hold one. Each may stand in a file instead, which its name with `_FILE` names:
 * orchestrators give secrets as files, and a file does not show in the environment of a process. A PEM of
 * `TEMPORAL_TLS_…_DATA` has its `_PATH` for that, and the AWS SDK reads `AWS_SHARED_CREDENTIALS_FILE` by itself.
 */
export const SECRETS = [
  'SLIPWAY_ADMIN_TOKEN',
  'DATABASE_URL',
  'SLIPWAY_DATABASE_URL_API',
  'SLIPWAY_DATABASE_URL_BRIDGE',
  'SLIPWAY_DATABASE_URL_ORCHESTRATOR',
  'MQTT_URL',
  'MQTT_PASSWORD',
  'TEMPORAL_API_KEY',
] as const;

/** The name of the setting that names the file of a secret. */
export const fileOf = (secret: string): string => `${secret}_FILE`;

/** The names of all of them. */
export const SECRET_FILES: readonly string[] = SECRETS.map(fileOf);

/** What `withSecretFiles` found: the settings with the contents of the files, and a sentence for each mistake. */
export interface WithSecrets {
  readonly given: Record<string, string>;
  readonly problems: readonly string[];
}

/**
 * Reads the files of secrets, once. A line break at the end is not part of a secret: editors write one. The names with
 * `_FILE` are gone in what it answers.
 *
 * @param env settings by name, none of them empty
 */
export function withSecretFiles(env: Readonly<Record<string, string>>): WithSecrets {
  const given = { ...env };
  const problems: string[] = [];
  for (const name of SECRETS) {
    const setting = fileOf(name);
    const path = given[setting];
    delete given[setting];
    if (path === undefined) continue;
    if (given[name] !== undefined) {
      problems.push(`${name} and ${setting} are both set: keep one of them`);
      continue;
    }
    try {
      given[name] = readFileSync(path, 'utf8').replace(/\r?\n$/, '');
    } catch (error) {
      problems.push(`${setting}: ${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'it failed'})`);
      continue;
    }
    if (given[name] === '') problems.push(`${setting}: ${path} is empty`);
  }
  return { given, problems };
}
