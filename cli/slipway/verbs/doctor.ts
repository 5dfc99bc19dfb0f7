import { statSync } from 'node:fs';
import type { Command } from 'commander';
import { readAbout, readMe, SlipwayError, type Me, type Readiness } from '../../../client/index.js';
import type { Cli } from '../cli.js';
import { fault, look, notKnown, well, type Finding } from '../doctor/finding.js';
import { partFindings } from '../doctor/parts.js';
import { clockFinding, plainFinding, reach, unreachable, type Reached } from '../doctor/reach.js';
import { webhookFindings } from '../doctor/webhooks.js';
import { CliError, explain, type Exit } from '../exit.js';
import { profilesFile } from '../profiles.js';
import { verb } from '../verb.js';

/** A key that ends in so many days is worth a word. */
const SOON_MS = 7 * 24 * 60 * 60_000;

/** `slipway doctor`: what is wrong, and what to do. It asks the HTTP API, and looks at its own side. */
export function doctorVerbs(program: Command): void {
  verb(
    program,
    {
      usage: 'doctor',
      says: 'look for what is wrong with the installation, and say what to do',
      examples: ['slipway doctor', 'slipway doctor -o json'],
    },
    async (cli) => {
      const findings = await examine(cli);
      await cli.value(findings, textOf(findings));
      const faults = findings.filter(({ state }) => state === 'fault');
      if (faults.length === 0) return;
      throw new CliError(
        exitOf(faults),
        faults.length === 1 ? '1 fault was found.' : `${faults.length} faults were found.`,
      );
    },
  );
}

async function examine(cli: Cli): Promise<Finding[]> {
  const { name, profile } = cli.profile;
  const url = profile.url.replace(/\/+$/, '');
  const address = plainFinding(url) ?? well('address', name === '' ? url : `${url}, of the profile ${name}`);
  const own = [address, ...profileFindings(name)];
  let live: Reached;
  try {
    live = await reach(`${url}/health/live`);
  } catch (error) {
    return [...own, unreachable(url, error)];
  }
  if ((live.body as { status?: unknown } | null)?.status !== 'live') return [...own, stranger(url, live)];
  return [
    ...own,
    await serviceFinding(cli),
    ...(live.ahead === undefined ? [] : [clockFinding(live.ahead)]),
    ...(await partsOf(url)),
    ...(await keyFindings(cli)),
  ];
}

/** Others who could read it could use its keys. */
function profileFindings(name: string): Finding[] {
  if (name === '' || process.platform === 'win32') return [];
  const file = profilesFile();
  const others = statSync(file).mode & 0o077;
  return others === 0 ? [] : [look('profile', `others may read the keys in ${file}`, `chmod 600 ${file}`)];
}

function stranger(url: string, { status }: Reached): Finding {
  const away = status === 502 || status === 503 || status === 504;
  return away
    ? fault('service', `a proxy at ${url} answers ${status}: it does not reach the API`, 'Start the API behind it.')
    : fault('service', `what answers at ${url} is no Slipway (${status})`, 'Check the address: slipway profile list');
}

async function serviceFinding(cli: Cli): Promise<Finding> {
  const { version, mode } = (await readAbout({ client: cli.client })).data;
  return well('service', `Slipway ${version}, ${mode}`);
}

async function partsOf(url: string): Promise<Finding[]> {
  const { body } = await reach(`${url}/health/ready?all=true`);
  const readiness = body as Partial<Readiness> | null;
  if (typeof readiness?.dependencies !== 'object')
    return [look('parts', 'the service does not say how its parts are', 'Does a proxy hide /health/ready?')];
  return partFindings(readiness as Readiness);
}

async function keyFindings(cli: Cli): Promise<Finding[]> {
  let me: Me;
  try {
    me = (await readMe({ client: cli.client })).data;
  } catch (error) {
    const { exit, message, next } = explain(error);
    if (exit === 'away') return [notKnown('key', 'it cannot be looked up while the database is not there')];
    return [fault('key', `you are not let in: ${message}`, next)];
  }
  const says = `${me.actsAs} of ${me.tenant}`;
  const left = me.expiresAt === undefined ? Infinity : Date.parse(me.expiresAt) - Date.now();
  const ends = look('key', `${says}, until ${me.expiresAt} only`, 'Rotate it: slipway key rotate KEY');
  return [left < SOON_MS && me.kind === 'key' ? ends : well('key', says), ...(await webhooksOf(cli, me))];
}

async function webhooksOf({ client }: Cli, { permissions }: Me): Promise<Finding[]> {
  if (!permissions.includes('webhooks:read'))
    return [notKnown('webhooks', 'this key may not read them (webhooks:read)')];
  try {
    return await webhookFindings(client);
  } catch (error) {
    if (!(error instanceof SlipwayError)) throw error;
    return [notKnown('webhooks', error.message)];
  }
}

const SHOWN = { well: 'well', fault: 'FAULT', look: 'look', 'not known': '?' } as const;

function textOf(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ part }) => part.length));
  return findings
    .map(({ part, state, says, next }) => {
      const line = `${SHOWN[state].padEnd(5)}  ${part.padEnd(width)}  ${says}`;
      return `${line}\n${next === '' ? '' : `${' '.repeat(width + 9)}→ ${next}\n`}`;
    })
    .join('');
}

/** As of any other verb: away and no access are told from what is wrong inside. */
function exitOf(faults: readonly Finding[]): Exit {
  if (faults.some(({ part }) => part === 'service')) return 'away';
  return faults.every(({ part }) => part === 'key') ? 'noAccess' : 'failed';
}
