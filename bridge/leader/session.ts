import { backOff } from '../../domain/back-off.js';
import { ENDED_FILTER, SERVICE_FILTER } from '../../protocol/mqtt/topics.js';
import { Pause } from '../../runtime/pause.js';
import { BROKER_LEASE, Heartbeat } from '../../store/db/heartbeat.js';
import { askAfterLoss, noteBrokerLoss, readBrokerLoss } from '../../store/commands/broker-loss.js';
import { endPolls } from '../../store/commands/polls.js';
import { lookForSilence } from '../../store/commands/silence.js';
import { withReleasedClaims } from '../rounds/release-claims.js';
import { Comparison } from '../outbound/comparison.js';
import type { BridgeDependencies } from './dependencies.js';
import { Ingest } from '../inbound/ingest.js';
import { APART_MS, Loop } from '../rounds/loop.js';
import type { MqttConnection, Publish } from '../mqtt/connection.js';
import { sendDocuments } from '../outbound/send-documents.js';
import type { LeaseGuard } from '../rounds/lease-guard.js';

const RECONNECT = { firstMs: 100, maxMs: 2_000 };
const POLL_MS = 1_000;
/**
 * What the broker retains is read and compared with what it should: after each connect, and so often. A fleet of 10,000
 * is some megabytes.
 */
const COMPARE_EVERY_MS = 5 * 60_000;
/** Silent devices are looked for so often: this also paces the hellos that they are asked for. */
const LOOK_FOR_SILENCE_MS = 10_000;
/**
 * Pages of devices that are asked for a hello after the broker lost what it knew: so far apart, that is some 400
 * devices a second. Their answers come as fast; the ingester takes thousands.
 */
const ASK_APART_MS = 500;
/** PT2H: where neither the device nor its type has a `communicationInterval`. */
const COMMUNICATION_INTERVAL_MS = 2 * 3_600_000;
/** A broker that answers nothing for so long is told of as one that does not answer. */
const BROKER_SILENT_MS = 3_000;
/** SUBACK's way to say no, where the broker says it at all. */
const REFUSED = 128;

/** What one term of leadership stands on. */
export interface SessionDependencies extends BridgeDependencies {
  guard: LeaseGuard;
  /** After each commit of reports. */
  committed: () => void;
  /** After each connect. */
  connected: () => void;
}

/**
 * The leader's connection to the broker, made again as often as it breaks. While it stands, reports are taken in and
 * documents go out; a broker that does not remember the session has lost what it retained as well, and gets every
 * document again. Then the devices are asked for a hello too: what they said before this was connected is lost.
 */
export class BrokerSession {
  private ended = false;
  private documents: Loop | undefined;
  private connection: MqttConnection | undefined;
  private readonly pause = new Pause();
  /** Stays until it was made good: the next connect finds a session, and would not know. */
  private lostState = false;
  private readonly done: Promise<void>;

  constructor(private readonly deps: SessionDependencies) {
    this.done = this.run();
  }

  wake(): void {
    this.documents?.wake();
  }

  async end(): Promise<void> {
    this.cut();
    await this.done;
  }

  /** Nothing leaves any more, not even an acknowledgement of what was committed a moment ago. */
  cut(): void {
    this.ended = true;
    this.pause.wake();
    this.connection?.end();
  }

  private async run(): Promise<void> {
    for (let failures = 0; !this.ended;) {
      try {
        const connection = await this.deps.connect();
        failures = 0;
        await this.serve(connection);
      } catch (error) {
        if (!this.ended) this.deps.log.warn({ err: error }, 'no connection to the broker; trying again');
      }
      failures += 1;
      if (!this.ended) await this.pause.for(backOff(failures, RECONNECT));
    }
  }

  private async serve(connection: MqttConnection): Promise<void> {
    this.connection = connection;
    const { pool, guard, log } = this.deps;
    const publish: Publish = async (topic, payload, options) => {
      guard.assert();
      await connection.publish(topic, payload, options);
    };
    const ingest = new Ingest({ ...this.deps, publish });
    connection.onMessage((message) => ingest.enqueue(message));
    const loops: Loop[] = [];
    const comparison = new Comparison(this.deps);
    const heartbeat = new Heartbeat(
      pool,
      BROKER_LEASE,
      guard.fence.holder,
      (error) => log.debug({ err: error }, 'whether the broker answers could not be written'),
      () => connection.unansweredMs() < BROKER_SILENT_MS,
    );
    try {
      if (this.ended) return;
      const [granted] = await connection.subscribe([{ filter: SERVICE_FILTER, qos: 1 }]);
      if (granted === REFUSED)
        throw new Error(`the broker refused the subscription to ${SERVICE_FILTER}: may the bridge's user read it?`);
      // Only the embedded broker tells of connections there; another one may refuse it.
      await connection.subscribe([{ filter: ENDED_FILTER, qos: 1 }]);
      this.lostState ||= !connection.sessionPresent;
      const since = this.deps.now();
      if (this.lostState) await noteBrokerLoss(pool, guard.fence, since);
      this.lostState = false;
      const loss = await readBrokerLoss(pool);
      log.info({ sessionPresent: connection.sessionPresent }, 'connected to the broker');
      this.deps.connected();
      const sending = withReleasedClaims(
        pool,
        'document',
        guard.fence,
        async () => (await sendDocuments({ ...this.deps, publish })) > 0,
      );
      this.documents = new Loop('sending documents', () => guard.during(sending, false), POLL_MS, log, APART_MS);
      loops.push(
        this.documents,
        new Loop(
          'comparing documents',
          () => guard.during(() => this.compare(comparison), false),
          this.deps.compareEveryMs ?? COMPARE_EVERY_MS,
          log,
        ),
        new Loop(
          'looking for silent devices',
          () => guard.during(() => this.lookForSilence(since, loss?.at), false),
          this.deps.lookForSilenceEveryMs ?? LOOK_FOR_SILENCE_MS,
          log,
        ),
      );
      if (loss && !loss.areAllAsked)
        loops.push(
          new Loop(
            'asking devices for a hello',
            () => guard.during(() => this.askAfterLoss(), false),
            COMPARE_EVERY_MS,
            log,
            ASK_APART_MS,
          ),
        );
      const error = await connection.closed;
      if (error) log.warn({ err: error }, 'the connection to the broker ended');
    } finally {
      connection.end();
      comparison.end();
      await Promise.all([heartbeat.end(), ingest.end(), ...loops.map((loop) => loop.end())]);
      this.documents = undefined;
      this.connection = undefined;
    }
  }

  /** At most some at once, so that a fleet that fell silent together is asked little by little. */
  private async lookForSilence(since: number, doubtedSince: number | undefined): Promise<boolean> {
    const { pool, guard, now, communicationIntervalMs: intervalMs = COMMUNICATION_INTERVAL_MS } = this.deps;
    const found =
      (await lookForSilence(pool, guard.fence, { now: now(), since, doubtedSince, intervalMs })) +
      (await endPolls(pool, guard.fence, now()));
    if (found > 0) this.deps.committed();
    return false;
  }

  private async askAfterLoss(): Promise<boolean> {
    const { pool, guard, now } = this.deps;
    const more = await askAfterLoss(pool, guard.fence, now());
    this.deps.committed();
    return more;
  }

  private async compare(comparison: Comparison): Promise<boolean> {
    const differing = await comparison.run();
    if (differing > 0) this.documents?.wake();
    return false;
  }
}
