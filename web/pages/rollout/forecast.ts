import { useQuery, type UseQueryResult } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { call, Refused } from '../../service/request.js';
import type { Forecast, One, Rollout } from '../../service/types.js';

/** After the last key: long enough to finish a number. */
const SETTLE_MS = 400;
/** Two forecasts run at once in a tenant; a third is asked for again, as often as this. */
const TRIES = 5;

/** What of a pace is amended here. */
export type Pace = Pick<Rollout['pace'], 'maxInFlight' | 'startsPerMinute'>;

/**
 * What the rollout would do from now on with this pace, over the devices as they are: those that have the content
 * already are left out. The same seed each time, so that what differs comes of the pace.
 * @param pace undefined = what is typed is no pace
 */
export function useForecast(of: Rollout, pace: Pace | undefined): UseQueryResult<Forecast, Error> {
  const settled = useSettled(pace);
  return useQuery<Forecast>({
    queryKey: ['forecast', of.id, of.version, settled?.maxInFlight, settled?.startsPerMinute],
    queryFn: async ({ signal }) =>
      (
        await call<One<Forecast>>('/v1/rollout-simulations', {
          method: 'POST',
          body: { ...planOf(of), pace: { ...of.pace, ...settled } },
          signal,
        })
      ).data,
    enabled: settled !== undefined,
    placeholderData: (before) => before,
    retry: (failures, error) => failures < TRIES && error instanceof Refused && error.status === 429,
    retryDelay: (_, error) => 1_000 * ((error instanceof Refused ? error.retryAfter : undefined) ?? 1),
  });
}

/** The value once it has not changed for a while. */
function useSettled(pace: Pace | undefined): Pace | undefined {
  const [settled, setSettled] = useState(pace);
  const { maxInFlight, startsPerMinute } = pace ?? {};
  useEffect(() => {
    const timer = setTimeout(
      () =>
        setSettled(
          maxInFlight === undefined || startsPerMinute === undefined ? undefined : { maxInFlight, startsPerMinute },
        ),
      SETTLE_MS,
    );
    return () => clearTimeout(timer);
  }, [maxInFlight, startsPerMinute]);
  return settled;
}

/** The plan of a rollout as it would be sent: without what became of it, and without a start that has passed. */
function planOf(of: Rollout): object {
  const { name, steps, targets, stopIf, schedule, retry, timeouts, confirm, onConflict, priority, approval } = of;
  return {
    name,
    steps,
    targets,
    groups: of.groups.map((group) => ({
      name: group.name,
      ...sizeOf(group),
      soak: group.soak,
      gate: {
        minSuccess: group.gate.minSuccess,
        minSample: group.gate.minSample,
        maxFailureRate: group.gate.maxFailureRate,
        confidence: group.gate.confidence,
      },
      approval: group.approval && {
        required: group.approval.required,
        expiresAfter: group.approval.expiresAfter,
        onExpiry: group.approval.onExpiry,
      },
    })),
    stopIf,
    schedule: { endAt: schedule.endAt, atEnd: schedule.atEnd },
    retry,
    timeouts,
    confirm,
    onConflict,
    priority,
    approval,
    allowDowngrade: of.allowDowngrade,
  };
}

function sizeOf({ percent, count, filter }: Rollout['groups'][number]): object {
  if (percent !== undefined) return { percent };
  if (count !== undefined) return { count };
  return filter === undefined ? {} : { filter };
}
