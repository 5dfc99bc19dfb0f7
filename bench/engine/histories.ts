import type { Stage } from '../stage.js';

/** What costs the engine: each is a round through server and worker. Means per workflow. */
export interface EngineWork {
  readonly tasks: number;
  readonly signals: number;
}

const SAMPLE = 50;

/** Reads the histories of the workflows of this type that ended last. */
export async function engineWork(stage: Stage, workflowType: string): Promise<EngineWork> {
  const sum = { workflows: 0, tasks: 0, signals: 0 };
  const { workflow } = stage.engine;
  for await (const { workflowId, runId } of workflow.list({
    query: `WorkflowType = '${workflowType}'`,
    pageSize: SAMPLE,
  })) {
    if (sum.workflows === SAMPLE) break;
    const { events } = await workflow.getHandle(workflowId, runId).fetchHistory();
    sum.workflows += 1;
    for (const event of events ?? []) {
      if (event.workflowTaskCompletedEventAttributes) sum.tasks += 1;
      if (event.workflowExecutionSignaledEventAttributes) sum.signals += 1;
    }
  }
  return { tasks: sum.tasks / sum.workflows, signals: sum.signals / sum.workflows };
}
