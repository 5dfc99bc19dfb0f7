import type { Command } from 'commander';
import {
  abortRollout,
  amendRollout,
  approveRollout,
  approveRolloutGroup,
  pauseRollout,
  readRollout,
  rejectRollout,
  rejectRolloutGroup,
  resumeRollout,
  retryRollout,
  rollBackRollout,
  skipRolloutGroup,
  startRollout,
  type Client,
  type ResumeRolloutData,
  type Rollout,
  type RolloutPatch,
} from '../../../client/index.js';
import { CliError } from '../exit.js';
import { sendPlan } from '../plan-file.js';
import { rolloutId } from '../resolve.js';
import { rolloutText } from '../rollout-text.js';
import { verb, type VerbText, type Work } from '../verb.js';

type Reason = ResumeRolloutData['body']['reason'];

/** What is common to all commands: the rollout, and the version that the caller has seen. */
interface At {
  readonly client: Client;
  readonly path: { readonly id: string };
  readonly headers: { 'If-Match'?: string };
}

/** What a person asks of a rollout. Each prints how it stands then. */
export function rolloutCommandVerbs(rollout: Command): void {
  const command = <Options = object>(
    text: VerbText,
    send: (at: At, options: Options, args: readonly string[]) => Promise<{ data: Rollout }>,
  ): Command => {
    const work: Work<Options & { ifVersion?: string }> = async (cli, args, options) => {
      const { client } = cli;
      const { ifVersion } = options;
      const path = { id: await rolloutId(client, args[0] ?? '') };
      const headers = ifVersion === undefined ? {} : { 'If-Match': `"${ifVersion}"` };
      const { data } = await send({ client, path, headers }, options, args);
      await cli.value(data, rolloutText(data), data.id);
    };
    return verb(rollout, text, work).option(
      '--if-version <version>',
      'only where the rollout is still of this version',
    );
  };

  command({ usage: 'start <rollout>', says: 'start it', examples: ['slipway rollout start "switch 1.5.0"'] }, (at) =>
    startRollout({ ...at, body: {} }),
  );
  command<{ reason?: string }>(
    {
      usage: 'pause <rollout>',
      says: 'admit no more devices',
      examples: ['slipway rollout pause "switch 1.5.0" --reason "the vendor called"'],
    },
    (at, { reason }) => pauseRollout({ ...at, body: reason ? { reason } : {} }),
  ).option('--reason <text>', 'why');
  command<{ reason?: Reason; comment?: string }>(
    {
      usage: 'resume <rollout>',
      says: 'end one pause; despite a gate, with a comment',
      examples: [
        'slipway rollout resume "switch 1.5.0"',
        'slipway rollout resume "switch 1.5.0" --reason gate_failed --comment "two devices had no power"',
      ],
    },
    async (at, { reason, comment }) =>
      resumeRollout({
        ...at,
        body: { reason: reason ?? (await onlyPause(at)), ...(comment && { comment }) },
      }),
  )
    .option('--reason <reason>', 'which pause; needed where there are several')
    .option('--comment <text>', 'why it may continue');
  command<{ reason?: string; cancelOpen?: boolean }>(
    {
      usage: 'abort <rollout>',
      says: 'end it; this is final',
      examples: ['slipway rollout abort "switch 1.5.0" --cancel-open --reason "bricks LS-2"'],
    },
    (at, { reason, cancelOpen }) =>
      abortRollout({ ...at, body: { ...(reason && { reason }), ...(cancelOpen && { cancelOpen }) } }),
  )
    .option('--reason <text>', 'why')
    .option('--cancel-open', 'cancel open installations, too');
  command<{ reason?: string }>(
    {
      usage: 'rollback <rollout>',
      says: 'bring each updated device back to what it had before',
      examples: ['slipway rollout rollback "switch 1.5.0" --reason "relays click"'],
    },
    (at, { reason }) => rollBackRollout({ ...at, body: reason ? { reason } : {} }),
  ).option('--reason <text>', 'why');
  command<{ outcomes?: string }>(
    {
      usage: 'retry <rollout>',
      says: 'try again what failed or timed out',
      examples: ['slipway rollout retry "switch 1.5.0" --outcomes failed,rejected'],
    },
    (at, { outcomes }) => retryRollout({ ...at, body: outcomes ? { outcomes: outcomes.split(',') as Retried } : {} }),
  ).option('--outcomes <outcomes>', 'comma list: failed, timedOut, rejected, canceled, superseded');
  command<{ group?: string }>(
    {
      usage: 'approve <rollout>',
      says: 'approve it, or one of its groups',
      examples: ['slipway rollout approve "switch 1.5.0"', 'slipway rollout approve "switch 1.5.0" --group canary'],
    },
    ({ path, ...at }, { group }) =>
      group === undefined
        ? approveRollout({ ...at, path, body: {} })
        : approveRolloutGroup({ ...at, path: { ...path, name: group }, body: {} }),
  ).option('--group <group>', 'this group');
  command<{ group?: string; reason: string }>(
    {
      usage: 'reject <rollout>',
      says: 'reject it, or one of its groups',
      examples: ['slipway rollout reject "switch 1.5.0" --reason "wrong week"'],
    },
    ({ path, ...at }, { group, reason }) =>
      group === undefined
        ? rejectRollout({ ...at, path, body: { reason } })
        : rejectRolloutGroup({ ...at, path: { ...path, name: group }, body: { reason } }),
  )
    .requiredOption('--reason <text>', 'why')
    .option('--group <group>', 'this group');
  command<{ group: string }>(
    {
      usage: 'skip <rollout>',
      says: 'wait no longer for devices of a group that are away',
      examples: ['slipway rollout skip "switch 1.5.0" --group canary'],
    },
    ({ path, ...at }, { group }) => skipRolloutGroup({ ...at, path: { ...path, name: group }, body: { away: true } }),
  ).requiredOption('--group <group>', 'this group');
  command<{ file: string }>(
    {
      usage: 'amend <rollout>',
      says: 'change its pace, stop rules, schedule or gates, by a merge patch (RFC 7396) in a file',
      examples: ['slipway rollout amend "switch 1.5.0" -f slower.yaml'],
    },
    (at, { file }) => sendPlan<RolloutPatch, { data: Rollout }>(file, (body) => amendRollout({ ...at, body })),
  ).requiredOption('-f, --file <file>', 'the patch, as YAML or JSON; - is standard input');
}

type Retried = ('failed' | 'rejected' | 'canceled' | 'timedOut' | 'superseded')[];

/** @throws CliError where it has none, or several */
async function onlyPause({ client, path }: At): Promise<Reason> {
  const { pauses } = (await readRollout({ client, path })).data;
  const [first, second] = pauses;
  // Without a pause the API says what the phase is, and why that is refused.
  if (first === undefined) return 'operator';
  if (second === undefined) return first.reason;
  throw new CliError(
    'usage',
    `It is paused for ${pauses.map(({ reason }) => reason).join(' and ')}.`,
    `Name one: --reason ${first.reason}`,
  );
}
