import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { CliError } from './exit.js';

/** What the identity provider gave; renewed with `refreshToken` where there is one. */
export interface OidcTokens {
  readonly issuer: string;
  readonly clientId: string;
  readonly accessToken: string;
  readonly refreshToken?: string;
  /** Epoch milliseconds; absent where the provider did not say. */
  readonly expiresAt?: number;
}

/** One Slipway, and how to sign in to it. */
export interface Profile {
  readonly url: string;
  /** An API key. */
  readonly key?: string;
  readonly oidc?: OidcTokens;
}

/** The file as a whole. */
export interface Profiles {
  /** The name of the one in use; '' = none. */
  readonly current: string;
  readonly profiles: Readonly<Record<string, Profile>>;
}

/** Where it stands: it holds keys, so that only its owner can read it. */
export function profilesFile(): string {
  return join(settingsFolder(process.platform, process.env), 'slipway', 'profiles.json');
}

/** Where programs keep their settings (XDG Base Directory Specification; the platforms' own places elsewhere). */
function settingsFolder(platform: NodeJS.Platform, env: NodeJS.ProcessEnv): string {
  if (platform === 'win32') return env['APPDATA'] ?? join(homedir(), 'AppData', 'Roaming');
  if (env['XDG_CONFIG_HOME']) return env['XDG_CONFIG_HOME'];
  return platform === 'darwin' ? join(homedir(), 'Library', 'Preferences') : join(homedir(), '.config');
}

/** @throws CliError where the file holds something else */
export function readProfiles(file = profilesFile()): Profiles {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { current: '', profiles: {} };
    throw error;
  }
  try {
    const { current, profiles } = JSON.parse(text) as Partial<Profiles>;
    if (typeof current === 'string' && typeof profiles === 'object') return { current, profiles };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new CliError('usage', `${file} does not hold profiles`, `Remove it, and sign in again: slipway login URL`);
}

/** Written beside and renamed, so that two commands at once never leave half a file. */
export function writeProfiles(profiles: Profiles, file = profilesFile()): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const beside = `${file}.${process.pid}`;
  writeFileSync(beside, `${JSON.stringify(profiles, null, 2)}\n`, { mode: 0o600 });
  chmodSync(beside, 0o600);
  renameSync(beside, file);
}

/** What a command goes by: the environment first, then the profile. */
export interface Chosen {
  /** The profile's name; '' where the environment alone says it. */
  readonly name: string;
  readonly profile: Profile;
}

/**
 * `SLIPWAY_URL` and `SLIPWAY_TOKEN` win over each part of the profile. A token is never sent to another address than
 * the one that it belongs to: with `SLIPWAY_URL` alone, the profile's token counts only where it has this address.
 * @param wanted `--profile`, or `SLIPWAY_PROFILE`
 * @throws CliError where no address is known
 */
export function chooseProfile(wanted: string | undefined, env: NodeJS.ProcessEnv, known: () => Profiles): Chosen {
  const url = env['SLIPWAY_URL'];
  const token = env['SLIPWAY_TOKEN'];
  if (url && token && wanted === undefined) return { name: '', profile: { url, key: token } };
  const { current, profiles } = known();
  const name = wanted ?? env['SLIPWAY_PROFILE'] ?? current;
  const found = Object.hasOwn(profiles, name) ? profiles[name] : undefined;
  if (found === undefined && (name !== current || !url)) {
    if (name !== '')
      throw new CliError(
        'usage',
        `There is no profile ${name}.`,
        'See them: slipway profile list; or make it: slipway login',
      );
    throw new CliError(
      'noAccess',
      'No Slipway is known.',
      'Sign in: slipway login URL; or set SLIPWAY_URL and SLIPWAY_TOKEN.',
    );
  }
  const base = found !== undefined && (!url || sameAddress(url, found.url)) ? found : { url: url ?? '' };
  const profile = token ? { url: url ?? base.url, key: token } : base;
  return { name: found === undefined ? '' : name, profile };
}

function sameAddress(a: string, b: string): boolean {
  return a.replace(/\/+$/, '') === b.replace(/\/+$/, '');
}
