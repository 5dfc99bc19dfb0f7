import { Connection } from '@temporalio/client';
import { until } from './until.js';

/** Makes a namespace in the Temporal server of the run, for one suite alone. */
export async function registerNamespace(namespace: string): Promise<void> {
  const connection = await Connection.connect({ address: process.env['SLIPWAY_TEST_TEMPORAL_ADDRESS']! });
  await connection.workflowService.registerNamespace({
    namespace,
    workflowExecutionRetentionPeriod: { seconds: 86_400 as never },
  });
  await until('the namespace is known', () =>
    connection.workflowService.describeNamespace({ namespace }).then(() => true),
  );
  await connection.close();
}
