import { condition, defineSignal, proxyLocalActivities, setHandler } from '@temporalio/workflow';

interface BareActivities {
  notify(id: string): Promise<void>;
  conclude(id: string): Promise<void>;
}

const { notify, conclude } = proxyLocalActivities<BareActivities>({ startToCloseTimeout: '20 seconds' });

/**
 * What an installation's process costs the engine at the least (workflows/installation.ts without Slipway): a local
 * activity, one timer, one signal, a local activity.
 */
export async function bare(id: string): Promise<void> {
  let hasEnded = false;
  setHandler(defineSignal('ended'), () => {
    hasEnded = true;
  });
  await notify(id);
  await condition(() => hasEnded, '1 hour');
  await conclude(id);
}
