import { randomUUID } from 'node:crypto';
import pLimit from 'p-limit';
import { Child } from '../child.js';
import type { FromBareWorker } from '../messages.js';
import type { Context } from '../part.js';
import type { Stage } from '../stage.js';
import { spent, usageBelow } from '../usage.js';
import { now, until } from '../wait.js';

const TASK_QUEUE = 'bench-bare';
/** As the bridge's sender. */
const AT_ONCE = 32;
/** The bundle of the workflow is made at the start: seconds on a busy machine. */
const READY_MS = 60_000;
const limitMs = (count: number) => 60_000 + count * 200;

export interface BareRun {
  /** From the first start to the end of the last process, as Temporal has it. */
  readonly perSecond: number;
  /** CPU milliseconds per workflow. */
  readonly cpuMs: { readonly temporal: number; readonly worker: number };
}

/**
 * The ceiling: the bare Temporal SDK with an equally lean workflow, on the service's own server, with a worker process
 * of its own.
 */
export class BareEngine {
  private readonly notifiedAt = new Map<string, number>();
  private notified: (id: string) => void = () => undefined;
  private concluded = 0;

  private constructor(
    private readonly stage: Stage,
    private readonly worker: Child<never, FromBareWorker>,
  ) {
    worker.listen((message) => {
      if (message.said !== 'progress') return;
      this.concluded = message.concluded;
      for (const [id, at] of message.notified) {
        this.notifiedAt.set(id, at);
        this.notified(id);
      }
    });
  }

  static async start(context: Context, stage: Stage): Promise<BareEngine> {
    const worker = new Child<never, FromBareWorker>(context, new URL('./bare-worker.js', import.meta.url), [
      stage.service.endpoints.temporal,
      TASK_QUEUE,
    ]);
    const engine = new BareEngine(stage, worker);
    await worker.hear('the bare worker runs', READY_MS, (message) => (message.said === 'ready' ? true : undefined));
    return engine;
  }

  /**
   * Starts so many; each is signalled once its first local activity has run, as a device's report comes after its
   * document.
   */
  async run(count: number): Promise<BareRun> {
    const before = { temporal: this.stage.usage(), worker: usageBelow(this.worker.pid) };
    const [began, concluded] = [now(), this.concluded];
    const limit = pLimit(AT_ONCE);
    const signals: Promise<void>[] = [];
    this.notified = (id) => signals.push(limit(() => this.stage.engine.workflow.getHandle(id).signal('ended')));
    await Promise.all(Array.from({ length: count }, () => limit(() => this.begin())));
    await until(
      'every bare workflow has concluded',
      () => this.concluded - concluded >= count,
      limitMs(count),
      () => `${this.concluded - concluded} of ${count}`,
    );
    await Promise.all(signals);
    const closed = await this.stage.concluded('bare', limitMs(count));
    const cpu = {
      temporal: spent(before.temporal, this.stage.usage()),
      worker: spent(before.worker, usageBelow(this.worker.pid)),
    };
    return {
      perSecond: (count * 1_000) / (closed - began),
      cpuMs: { temporal: (cpu.temporal.get('temporal') ?? 0) / count, worker: (cpu.worker.get('rest') ?? 0) / count },
    };
  }

  /** One at a time: milliseconds from the start to its first local activity. */
  async startLatencies(count: number): Promise<number[]> {
    const latencies: number[] = [];
    for (let done = 0; done < count; done += 1) {
      const began = now();
      const id = await this.begin();
      await until('a bare workflow has begun', () => this.notifiedAt.has(id), 10_000);
      latencies.push(this.notifiedAt.get(id)! - began);
      await this.stage.engine.workflow.getHandle(id).signal('ended');
    }
    return latencies;
  }

  private async begin(): Promise<string> {
    const workflowId = `bare-${randomUUID()}`;
    await this.stage.engine.workflow.start('bare', { workflowId, taskQueue: TASK_QUEUE, args: [workflowId] });
    return workflowId;
  }
}
