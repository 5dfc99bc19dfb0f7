import type { ReactNode } from 'react';
import { Badge } from '../../design/badge.js';
import { Sentence } from '../../design/time.js';
import type { Tone } from '../../design/tones.js';
import { countOf, failedOf, percent, type Group } from './counters.js';

const TONES = {
  wait: 'mute',
  satisfied: 'ok',
  passed: 'ok',
  failed: 'bad',
  inconclusive: 'warn',
} as const satisfies Record<Group['gate']['verdict'], Tone>;
const VERDICTS = {
  wait: 'gate waits',
  satisfied: 'gate is satisfied',
  passed: 'gate passed',
  failed: 'gate failed',
  inconclusive: 'gate is inconclusive',
} as const satisfies Record<Group['gate']['verdict'], string>;

/** A failure rate as the gate sees it. All are shares, 0..1. */
interface Interval {
  /** Equal where the gate goes by the share that was seen, without a test. */
  readonly lower: number;
  readonly upper: number;
  readonly limit: number;
  /** On how many devices it rests. */
  readonly sample: number;
}

/** What a gate says: its sentence, and where the failure rate lies against what is allowed. */
export function Gate({ of }: { readonly of: Group }): ReactNode {
  const { gate } = of;
  const interval = intervalOf(of);
  return (
    <div className="gate">
      <p className="small">
        <Badge tone={TONES[gate.verdict]}>{VERDICTS[gate.verdict]}</Badge> <Sentence text={gate.because} />
      </p>
      {interval === undefined ? null : <Picture of={interval} failed={gate.verdict === 'failed'} />}
    </div>
  );
}

/** undefined = nothing has ended yet. */
export function intervalOf({ gate, counters }: Group): Interval | undefined {
  const { bound, maxFailureRate, minSuccess } = gate;
  if (bound !== null && maxFailureRate !== null)
    return bound.sample === 0
      ? undefined
      : { lower: bound.lower, upper: bound.upper, limit: maxFailureRate, sample: bound.sample };
  const sample = failedOf(counters) + countOf(counters, ['installed', 'alreadyInstalled', 'canceled', 'superseded']);
  if (sample === 0) return undefined;
  const share = 1 - countOf(counters, ['installed', 'alreadyInstalled']) / sample;
  return { lower: share, upper: share, limit: 1 - minSuccess, sample };
}

/** Width of the axis, in its own units. */
const WIDTH = 1_000;
/** The smallest end of the axis: a rate of 1 % must not look like all. */
const LEAST_END = 0.1;

function Picture({ of, failed }: { readonly of: Interval; readonly failed: boolean }): ReactNode {
  const { lower, upper, limit, sample } = of;
  const end = Math.min(1, Math.max(LEAST_END, 1.25 * Math.max(upper, limit)));
  const at = (share: number): number => (WIDTH * Math.min(share, end)) / end;
  const isPoint = upper - lower < 1e-9;
  const tone = failed || lower > limit ? 'bad' : upper <= limit ? 'ok' : 'warn';
  const rate = isPoint ? percent(lower) : `${percent(lower)} to ${percent(upper)}`;
  return (
    <div className="interval">
      <svg viewBox={`0 0 ${WIDTH} 24`} preserveAspectRatio="none" aria-hidden="true">
        <rect className="interval-allowed" x={0} y={8} width={at(limit)} height={8} />
        <rect className="interval-rest" x={at(limit)} y={8} width={WIDTH - at(limit)} height={8} />
        {isPoint ? (
          <rect className={tone} x={Math.max(0, at(lower) - 6)} y={3} width={12} height={18} />
        ) : (
          <rect className={tone} x={at(lower)} y={6} width={Math.max(6, at(upper) - at(lower))} height={12} />
        )}
        <line
          className="interval-limit"
          x1={at(limit)}
          x2={at(limit)}
          y1={0}
          y2={24}
          vectorEffect="non-scaling-stroke"
        />
      </svg>
      <p className="row spread small quiet" aria-hidden="true">
        <span>0 %</span>
        <span>{percent(end)}</span>
      </p>
      <p className="small quiet">
        failures {rate} of {sample.toLocaleString('en')}; limit {percent(limit)}
      </p>
    </div>
  );
}
