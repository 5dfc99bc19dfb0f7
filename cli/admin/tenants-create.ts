import { openPool } from '../../store/db/pool.js';
import { createTenantLocally } from '../../store/commands/tenants.js';
import { withDatabase, type Context, type ExitCode } from './context.js';

/** Makes a tenant and prints its first key. No tenant appears by itself: a token for an unknown one is refused. */
export async function tenantsCreate(context: Context, id: string): Promise<ExitCode> {
  await withDatabase(context, async (databaseUrl) => {
    const pool = openPool({ databaseUrl, name: 'admin', max: 1 });
    try {
      const token = await createTenantLocally(pool, id);
      context.say(`The tenant "${id}" is there. Its first key, of the role owner, is shown this once:`);
      context.say(token);
    } finally {
      await pool.end();
    }
  });
  return 0;
}
