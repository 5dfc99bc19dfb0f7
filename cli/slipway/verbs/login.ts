import type { Command } from 'commander';
import { connect, readAbout, readAuthConfig, readMe, type Me } from '../../../client/index.js';
import { connectTo, type Cli } from '../cli.js';
import { CliError } from '../exit.js';
import type { View } from '../print.js';
import { profilesFile, readProfiles, writeProfiles, type Profile } from '../profiles.js';
import { group, verb } from '../verb.js';

/** Sign in, profiles, and who one is. */
export function loginVerbs(program: Command): void {
  verb<{ profile?: string; keyFile?: string }>(
    program,
    {
      usage: 'login <url>',
      says: 'sign in to a Slipway, by its identity provider or with an API key, and keep that as a profile',
      examples: [
        'slipway login https://slipway.example.com --profile prod',
        'slipway login http://127.0.0.1:8080 --key-file .slipway/admin-token',
      ],
    },
    login,
  ).option('--key-file <file>', 'a file that holds an API key; - is standard input');

  const profile = group(program, 'profile', 'the services that you signed in to');
  verb(profile, { usage: 'list', says: 'list the profiles', examples: ['slipway profile list'] }, async (cli) => {
    const { current, profiles } = readProfiles();
    const rows = Object.entries(profiles).map(([name, one]) => ({
      name,
      url: one.url,
      signIn: one.oidc ? 'identity provider' : 'key',
      current: name === current,
    }));
    await cli.rows(rows, PROFILE);
  });
  verb(
    profile,
    { usage: 'use <profile>', says: 'use another profile from now on', examples: ['slipway profile use prod'] },
    async (cli, [name = '']) => {
      const known = readProfiles();
      if (!Object.hasOwn(known.profiles, name))
        throw new CliError('unknown', `There is no profile ${name}.`, 'See them: slipway profile list');
      writeProfiles({ ...known, current: name });
      cli.note(`Commands go to ${known.profiles[name]?.url ?? name} now.`);
    },
  );
  verb(
    program,
    { usage: 'me', says: 'who you are to the service, and what you may do', examples: ['slipway me'] },
    async (cli) => cli.one((await readMe({ client: cli.client })).data, ME),
  );
}

interface ListedProfile {
  readonly name: string;
  readonly url: string;
  readonly signIn: string;
  readonly current: boolean;
}
const PROFILE: View<ListedProfile> = {
  columns: { name: (p) => p.name, url: (p) => p.url, 'sign in': (p) => p.signIn, current: (p) => p.current },
  id: (p) => p.name,
};

const ME: View<Me> = {
  columns: {
    tenant: (m) => m.tenant,
    name: (m) => m.name,
    kind: (m) => m.kind,
    'acts as': (m) => m.actsAs,
    roles: (m) => m.roles.join(', '),
    permissions: (m) => m.permissions.join(', '),
    expires: (m) => m.expiresAt,
  },
  id: (m) => m.id,
};

async function login(
  cli: Cli,
  [given = '']: readonly string[],
  options: { profile?: string; keyFile?: string },
): Promise<void> {
  const url = addressOf(given);
  const { data: about } = await readAbout({ client: connect({ url }) });
  const profile = await signIn(cli, url, options.keyFile);
  const name = options.profile ?? new URL(url).hostname;
  // Nothing is kept before the service took it.
  const { data: me } = await readMe({ client: connectTo({ name: '', profile }) });
  const { profiles } = readProfiles();
  writeProfiles({ current: name, profiles: { ...profiles, [name]: profile } });
  cli.note(
    `Signed in to Slipway ${about.version} as ${me.actsAs} of ${me.tenant}; profile ${name} in ${profilesFile()}.`,
  );
}

function addressOf(text: string): string {
  const url = URL.parse(/^https?:\/\//.test(text) ? text : `https://${text}`);
  if (url === null)
    throw new CliError('usage', `${text} is not an address.`, 'For example: slipway login https://slipway.example.com');
  return url.href.replace(/\/+$/, '');
}

async function signIn(cli: Cli, url: string, keyFile: string | undefined): Promise<Profile> {
  const { readKey, askKey, signInByDevice } = await import('../sign-in.js');
  if (keyFile !== undefined) return { url, key: await readKey(keyFile) };
  const token = cli.env['SLIPWAY_TOKEN'];
  if (token) return { url, key: token };
  const { data: config } = await readAuthConfig({ client: connect({ url }) });
  if (config.oidc) return { url, oidc: await signInByDevice(config.oidc, (line) => cli.note(line)) };
  if (cli.isInteractive) return { url, key: await askKey(url) };
  throw new CliError(
    'usage',
    'This service takes API keys only, and there is no terminal to ask for one.',
    'Name a file that holds it: slipway login URL --key-file FILE; or set SLIPWAY_TOKEN.',
  );
}
