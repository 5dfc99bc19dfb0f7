import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';

type Payloads = readonly { data?: Uint8Array | null }[] | null | undefined;
const json = (payloads: Payloads) =>
  JSON.parse(new TextDecoder().decode(payloads?.[0]?.data ?? new Uint8Array())) as Record<string, unknown>;

/** What an engineer reads of a process: its signals with why they came, its activities with what they decided. */
export async function storyOf(handle: WorkflowHandle): Promise<string[]> {
  return ((await handle.fetchHistory()).events ?? []).flatMap((event) => {
    const { signalName, input } = event.workflowExecutionSignaledEventAttributes ?? {};
    if (signalName) return `${signalName}: ${String(json(input?.payloads)['because'])}`;
    const details = event.markerRecordedEventAttributes?.details;
    if (!details?.['data']) return [];
    const { decision, because } = json(details['result']?.payloads);
    return `${String(json(details['data'].payloads)['activity_type'])}: ${String(decision)}, because ${String(because)}`;
  });
}

/** How a process that did not install ended, as lists of the engine show it. @throws where it is not Failed. */
export async function failureOf(
  handle: WorkflowHandle,
): Promise<{ type: string | null | undefined; message: string; end: unknown }> {
  const error = await handle.result().catch((reason: unknown) => reason);
  const cause = error instanceof WorkflowFailedError ? error.cause : undefined;
  const status = (await handle.describe()).status.name;
  if (!(cause instanceof ApplicationFailure) || status !== 'FAILED')
    throw new Error(`the process did not end as Failed: ${status}`, { cause: error });
  return { type: cause.type, message: cause.message, end: cause.details?.[0] };
}
