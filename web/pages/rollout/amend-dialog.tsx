import { useState, type ReactNode } from 'react';
import { parseDuration } from '../../../domain/duration.js';
import { Button } from '../../design/button.js';
import { printSpan } from '../../design/clock.js';
import { Dialog } from '../../design/dialog.js';
import { Field } from '../../design/field.js';
import { Fault, Notice, Skeleton } from '../../design/notice.js';
import { say } from '../../design/toast.js';
import { Refused } from '../../service/request.js';
import { useChange } from '../../service/queries.js';
import type { Forecast, Rollout } from '../../service/types.js';
import { ifMatch } from './commands.js';
import { useForecast, type Pace } from './forecast.js';

const MEMBERS = ['maxInFlight', 'startsPerMinute'] as const satisfies readonly (keyof Pace)[];
const LABELS: Readonly<Record<keyof Pace, string>> = {
  maxInFlight: 'In flight, at most',
  startsPerMinute: 'Starts per minute, at most',
};
/** What the service takes (protocol/http/rollout-plan.ts). */
const MOST = 1_000_000;

/**
 * Amends the pace of a rollout, with the forecast beside it. Where another person amended the plan meanwhile, nothing
 * is sent until that was looked at; what was typed stays.
 */
export function AmendDialog({ of, onClose }: { readonly of: Rollout; readonly onClose: () => void }): ReactNode {
  const [seen, setSeen] = useState(of);
  const [typed, setTyped] = useState<Readonly<Record<keyof Pace, string>>>({
    maxInFlight: String(of.pace.maxInFlight),
    startsPerMinute: String(of.pace.startsPerMinute),
  });
  const wanted = { maxInFlight: countOf(typed.maxInFlight), startsPerMinute: countOf(typed.startsPerMinute) };
  const pace = wanted.maxInFlight === undefined || wanted.startsPerMinute === undefined ? undefined : (wanted as Pace);
  const changes = pace && Object.fromEntries(MEMBERS.filter((m) => pace[m] !== seen.pace[m]).map((m) => [m, pace[m]]));
  const amend = useChange<unknown>(
    () => ({
      path: `/v1/rollouts/${of.id}`,
      method: 'PATCH',
      headers: ifMatch(seen.version),
      body: { pace: changes },
    }),
    [`rollout:${of.id}`, 'rollouts', 'summary'],
  );
  const hasMoved = of.version !== seen.version;
  const missing = missingOf(pace, changes, hasMoved);
  return (
    <Dialog title="Amend the pace" onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (missing !== undefined || amend.isPending) return;
          amend.mutate(undefined, {
            onSuccess() {
              say('The pace is amended.');
              onClose();
            },
          });
        }}
      >
        <p className="small quiet">
          Open installations continue. A pace that is raised voids votes that were given. Gates, stop rules and the
          schedule are amended over the API.
        </p>
        {MEMBERS.map((member) => (
          <Field
            key={member}
            label={LABELS[member]}
            inputMode="numeric"
            autoComplete="off"
            value={typed[member]}
            hint={`${seen.pace[member].toLocaleString('en')} in version ${seen.version}`}
            fault={wanted[member] === undefined ? 'A whole number, 1 or more.' : undefined}
            onChange={({ target }) => setTyped((before) => ({ ...before, [member]: target.value }))}
          />
        ))}
        <Foreseen of={seen} pace={pace} />
        {hasMoved ? (
          <Moved
            from={seen}
            to={of}
            onSeen={() => {
              setSeen(of);
              amend.reset();
            }}
          />
        ) : amend.error ? (
          <Fault error={amend.error} />
        ) : null}
        <div className="row">
          <Button type="submit" look="first" whyNot={missing} busy={amend.isPending}>
            Amend
          </Button>
          <Button onPress={onClose}>Close</Button>
        </div>
      </form>
    </Dialog>
  );
}

/** What is still needed before it can be sent. */
function missingOf(pace: Pace | undefined, changes: object | undefined, hasMoved: boolean): string | undefined {
  if (hasMoved) return 'Look at what was amended first.';
  if (pace === undefined || changes === undefined) return 'Write whole numbers, 1 or more.';
  return Object.keys(changes).length === 0 ? 'Nothing is changed yet.' : undefined;
}

/** Another person was faster: what holds now, and a way on that keeps what was typed. */
function Moved({
  from,
  to,
  onSeen,
}: {
  readonly from: Rollout;
  readonly to: Rollout;
  readonly onSeen: () => void;
}): ReactNode {
  const changed = MEMBERS.filter((member) => from.pace[member] !== to.pace[member]);
  return (
    <Notice title="It was amended meanwhile" bad>
      <p>
        You looked at version {from.version}; now it is version {to.version}. Nothing of yours was sent.
      </p>
      {changed.length === 0 ? (
        <p>The pace is as it was; the history says what was changed.</p>
      ) : (
        <ul className="diff">
          {changed.map((member) => (
            <li key={member}>
              {LABELS[member]}: <del>{from.pace[member].toLocaleString('en')}</del>{' '}
              <ins>{to.pace[member].toLocaleString('en')}</ins>
            </li>
          ))}
        </ul>
      )}
      <Button onPress={onSeen}>Go on from version {to.version}</Button>
    </Notice>
  );
}

/** What would come of the plan as it is, and as it is typed. */
function Foreseen({ of, pace }: { readonly of: Rollout; readonly pace: Pace | undefined }): ReactNode {
  const before = useForecast(of, of.pace);
  const after = useForecast(of, pace);
  const error = after.error ?? before.error;
  if (error) return <NoForecast error={error} />;
  if (!before.data || !after.data) return <Skeleton lines={4} />;
  const rows = ROWS.map(([what, print]) => [what, print(before.data), print(after.data)] as const);
  return (
    <div aria-live="polite" aria-busy={after.isFetching}>
      <table className="table" aria-label="Forecast of what is left">
        <thead>
          <tr>
            <th>Forecast of what is left</th>
            <th className="number">As it is</th>
            <th className="number">As you typed</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(([what, was, is]) => (
            <tr key={what}>
              <td>{what}</td>
              <td className="number">{was}</td>
              <td className="number">{was === is ? is : <strong>{is}</strong>}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A forecast is a help and not a condition: without one the pace can be amended all the same. */
function NoForecast({ error }: { readonly error: Error }): ReactNode {
  return (
    <Notice title="There is no forecast" within>
      <p className="small">{error instanceof Refused ? error.message : String(error)}</p>
    </Notice>
  );
}

const ROWS: readonly (readonly [what: string, print: (of: Forecast) => string])[] = [
  ['Takes, as likely as not', ({ duration }) => spanOf(duration?.p50)],
  ['Takes at most, in 95 % of the runs', ({ duration }) => spanOf(duration?.p95)],
  ['Devices per hour', ({ devicesPerHour }) => Math.round(devicesPerHour).toLocaleString('en')],
  ['In flight at most', ({ peakInFlight }) => peakInFlight.p50.toLocaleString('en')],
  ['Ends by itself', ({ outcomes }) => `${Math.round(100 * outcomes.finished)} %`],
];

function spanOf(duration: string | undefined): string {
  return duration === undefined ? 'no run ends' : printSpan(parseDuration(duration) ?? 0);
}

/** undefined = no whole number from 1 on. */
function countOf(text: string): number | undefined {
  const count = Number(text.trim());
  return text.trim() !== '' && Number.isSafeInteger(count) && count >= 1 && count <= MOST ? count : undefined;
}
