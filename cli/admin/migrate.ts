import { migrate as bringUpToDate, pendingMigrations } from '../../store/db/migrate.js';
import { withDatabase, type Context, type ExitCode } from './context.js';

/** Brings the schema up to date, or with `isCheck` says only what is to run. The service may be at work meanwhile. */
export async function migrate(context: Context, { isCheck }: { isCheck: boolean }): Promise<ExitCode> {
  return withDatabase(context, async (databaseUrl) => {
    const names = await (isCheck ? pendingMigrations(databaseUrl) : bringUpToDate(databaseUrl));
    for (const name of names) context.say(`${isCheck ? 'to run' : 'ran'}: ${name}`);
    if (names.length === 0) context.say('The schema is up to date: nothing to run.');
    else if (isCheck) context.say(`${numberOf(names)} to run; nothing was changed.`);
    else context.say(`${numberOf(names)} ran: the schema is up to date.`);
    return isCheck && names.length > 0 ? 2 : 0;
  });
}

const numberOf = ({ length }: readonly string[]): string => (length === 1 ? '1 migration' : `${length} migrations`);
