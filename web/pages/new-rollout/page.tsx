import { Link, useNavigate } from '@tanstack/react-router';
import { lazy, Suspense, type FormEvent, type ReactNode } from 'react';
import { Button } from '../../design/button.js';
import { Fault, Skeleton } from '../../design/notice.js';
import { PageOf } from '../../design/page.js';
import { Tabs } from '../../design/tabs.js';
import { say } from '../../design/toast.js';
import { useUrl } from '../../design/url.js';
import { useChange, useWhyNot } from '../../service/queries.js';
import type { One, Rollout } from '../../service/types.js';
import { printed, valueAt, type Body } from '../plan/body.js';
import { ForecastSheet, useForecast } from '../plan/forecast.js';
import type { Form } from '../plan/plan-field.js';
import { useDraft } from './draft.js';
import { Groups } from './groups.js';
import { Pace } from './pace.js';
import { What } from './what.js';

/** The parser of YAML is as large as a page: it is loaded when one asks for it. */
const AsYaml = lazy(async () => ({ default: (await import('./as-yaml.js')).AsYaml }));

/** Writes the plan of a rollout step by step, or as YAML, with its forecast beside it. */
export function Page(): ReactNode {
  const navigate = useNavigate();
  const { tab = '', filter, firmware, slot } = useUrl();
  const { body, setBody, forget } = useDraft({
    ...(filter === undefined ? {} : { targets: { filter } }),
    ...(firmware === undefined ? {} : { steps: [{ slot: slot ?? 'firmware', firmwareId: firmware }] }),
  });
  const whyNot = useWhyNot('rollouts:write');
  const create = useChange<One<Rollout>>(
    () => ({ path: '/v1/rollouts', method: 'POST', body: trimmed(body) }),
    ['rollouts', 'summary'],
  );
  const lacks = lacking(body);
  // A plan without a name yet can be foreseen all the same.
  const foreseen = useForecast(lacks === undefined ? { ...trimmed(body), name: named(body) } : undefined);
  const missing = lacks ?? (printed(body['name']).trim() === '' ? 'Give the rollout a name.' : undefined);
  const form: Form = { body, onBody: setBody, error: create.error ?? foreseen.error };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if ((whyNot ?? missing) !== undefined || create.isPending) return;
    create.mutate(undefined, {
      onSuccess({ data }) {
        forget();
        say('It is created, and has not started yet.');
        void navigate({ to: `/rollouts/${data.id}` });
      },
    });
  };
  return (
    <PageOf title="New rollout" above={<Link to="/rollouts">Rollouts</Link>}>
      <Tabs
        label="How it is written"
        tabs={[
          ['', 'Step by step'],
          ['yaml', 'As YAML'],
        ]}
      />
      <div className="form-and-forecast">
        <form className="stack" onSubmit={submit}>
          {tab === 'yaml' ? (
            <Suspense fallback={<Skeleton lines={10} />}>
              <AsYaml body={body} onBody={setBody} />
            </Suspense>
          ) : (
            <>
              <What form={form} />
              <Groups form={form} />
              <Pace form={form} />
            </>
          )}
          {create.error ? <Fault error={create.error} /> : null}
          <div className="row">
            <Button look="first" type="submit" whyNot={whyNot ?? missing} busy={create.isPending}>
              Create the rollout
            </Button>
            <Button onPress={() => setBody({})}>Begin anew</Button>
          </div>
          <p className="hint">It is a draft then: nothing is sent to a device before it is started.</p>
        </form>
        <div className="beside">
          <ForecastSheet of={foreseen} lacks={lacks} />
        </div>
      </div>
    </PageOf>
  );
}

/** What nothing can be foreseen without. A template may have it, which the service knows. */
function lacking(body: Body): string | undefined {
  if (body['templateId'] !== undefined) return undefined;
  if (printed(valueAt(body, '/steps/0/firmwareId')) === '') return 'Choose what is installed.';
  if (body['targets'] === undefined) return 'Say for which devices it is.';
  return undefined;
}

function named(body: Body): string {
  const name = printed(body['name']).trim();
  return name === '' ? 'a forecast' : name;
}

/** A name ends in no blank, which one types on the way to the next word. */
function trimmed(body: Body): Body {
  return typeof body['name'] === 'string' ? { ...body, name: body['name'].trim() } : body;
}
