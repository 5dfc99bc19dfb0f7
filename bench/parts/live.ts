import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from '../child.js';
import { SLOT, type FromPublishers, type FromReaders, type ToPublishers } from '../messages.js';
import type { Context, Measured, Part } from '../part.js';
import { Stage } from '../stage.js';
import { commitsOf, connect, offer, publish } from './reports.js';

const CONNECTIONS = 500;
const READERS = 500;
const MS = 15_000;
const WARM_MS = 3_000;
const OPEN_MS = 30_000;

/** Whether those who watch slow down what is watched. */
export const live: Part = {
  title: 'Reports committed while live events are read',
  async run(context): Promise<Measured> {
    const stage = await Stage.open(context);
    const reporters = await offer(stage, context.count(CONNECTIONS, 50));
    const publishers = new Child<ToPublishers, FromPublishers>(
      context,
      new URL('../ingest/publishers.js', import.meta.url),
    );
    await connect(publishers, stage.service.endpoints.mqtt, reporters);
    // A device says one thing at a time: a fleet, and not a rush that fills every buffer.
    const run = { do: 'publish', warmMs: WARM_MS, ms: context.count(MS, 3_000), inFlight: 1 } as const;
    context.say('publishes without readers');
    const alone = await commitsOf(stage, await publish(publishers, run));
    const wanted = context.count(READERS, 20);
    const { http } = stage.service.endpoints;
    const { id } = await stage.operator.call<{ id: string }>('POST', '/v1/rollouts', {
      name: 'watched',
      steps: [{ slot: SLOT, firmwareId: await stage.firmware() }],
      targets: { deviceIds: reporters.slice(0, 10).map(({ deviceId }) => deviceId) },
    });
    const ofOne = await readersOf(context, stage, `${http}/v1/rollouts/${id}/events`, wanted);
    const few = await commitsOf(stage, await publish(publishers, run), alone.total);
    const ofAll = await readersOf(context, stage, `${http}/v1/events`, wanted);
    const watched = await commitsOf(stage, await publish(publishers, run), few.total);
    const beside = { name: 'with none', value: alone.perSecond };
    const detailOf = ({ last }: Readers): string =>
      `${last().open} still read at the end; ${Math.round(last().bytes / 1_048_576)} MiB were sent to them`;
    return {
      figures: [
        {
          name: `committed with ${wanted} readers of a rollout's events`,
          value: few.perSecond,
          unit: '/s',
          beside,
          detail: detailOf(ofOne),
        },
        {
          name: `committed with ${wanted} more, of all that happens`,
          value: watched.perSecond,
          unit: '/s',
          beside,
          detail: detailOf(ofAll),
        },
      ],
      method: [
        `${reporters.length} connections publish statuses, one unanswered each, for ${(WARM_MS + run.ms) / 1_000} s: without readers, then with ${wanted} readers of the events of one rollout, and then with as many more of \`GET /v1/events\`, each of whom is told every report.`,
        'The readers are processes of their own on the same cores: what they and the API take for all that is told is missing to the ingest, which is what the last figure shows where cores are few. Those that do not keep up are cut off, as is meant.',
      ],
      notes: [...alone.notes, ...few.notes, ...watched.notes],
    };
  },
};

interface Readers {
  readonly last: () => FromReaders;
}

async function readersOf(context: Context, stage: Stage, url: string, count: number): Promise<Readers> {
  const token = readFileSync(join(stage.service.dataDir, 'admin-token'), 'utf8').trim();
  const readers = new Child<never, FromReaders>(context, new URL('../live/readers.js', import.meta.url), [
    url,
    token,
    String(count),
  ]);
  let last: FromReaders = { answered: 0, open: 0, bytes: 0 };
  readers.listen((message) => (last = message));
  const { open } = await readers.hear('every reader has its stream', OPEN_MS, (message) =>
    message.answered >= count ? message : undefined,
  );
  context.say(`publishes with ${open} reading ${new URL(url).pathname}`);
  return { last: () => last };
}
