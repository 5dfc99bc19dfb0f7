import { randomBytes } from 'node:crypto';
import { makeLogins, processLogins, type Login } from '../../store/db/process-logins.js';
import { withDatabase, type Context, type ExitCode } from './context.js';

const SETTING: Readonly<Record<Login, string>> = {
  api: 'SLIPWAY_DATABASE_URL_API',
  service: 'DATABASE_URL',
  bridge: 'SLIPWAY_DATABASE_URL_BRIDGE',
  orchestrator: 'SLIPWAY_DATABASE_URL_ORCHESTRATOR',
};

/**
 * Prints the SQL that gives each process a login of its own, with new passwords, and the settings with them; with
 * `isCreated` it runs that first. Passwords are shown this once.
 */
export async function roles(context: Context, { isCreated }: { isCreated: boolean }): Promise<ExitCode> {
  return withDatabase(context, async (databaseUrl): Promise<ExitCode> => {
    const logins = processLogins(databaseUrl, () => randomBytes(32).toString('base64url'));
    if (isCreated) await makeLogins(databaseUrl, logins);
    context.say(isCreated ? '-- These statements were run:' : '-- For a user who may make roles:');
    for (const { statements } of logins) for (const statement of statements) context.say(`${statement};`);
    context.say('\n-- Settings of the processes; DATABASE_URL is that of the API and of the broker:');
    for (const { login, url } of logins) context.say(`-- ${SETTING[login]}=${url}`);
    return 0;
  });
}
