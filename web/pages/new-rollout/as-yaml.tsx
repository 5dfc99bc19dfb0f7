import { useState, type ReactNode } from 'react';
import { parse, stringify, YAMLParseError } from 'yaml';
import { CopyButton } from '../../design/copy.js';
import { Sheet } from '../../design/page.js';
import type { Body } from '../plan/body.js';

/** Members in the order in which one reads a plan; others follow as they were written. */
const ORDER = ['name', 'description', 'templateId', 'steps', 'targets', 'groups', 'pace', 'stopIf', 'schedule'];

function written(body: Body): string {
  const names = Object.keys(body);
  const first = ORDER.filter((name) => names.includes(name));
  const ordered = [...first, ...names.filter((name) => !first.includes(name))];
  return names.length === 0 ? '' : stringify(Object.fromEntries(ordered.map((name) => [name, body[name]])));
}

/** What a text says as a plan, or what is wrong with it. */
export type Read = { readonly body: Body } | { readonly fault: string };

/** Reads a plan as `slipway rollout create -f` does. */
export function readYaml(text: string): Read {
  try {
    const value: unknown = parse(text) ?? {};
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return { fault: 'A plan consists of names with values, such as "name: switch 1.5.0".' };
    return { body: value as Body };
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error;
    return { fault: error.message.split('\n')[0] ?? error.message };
  }
}

/** The plan as the command line takes it. What is typed here is in the form at once, as soon as it can be read. */
export function AsYaml({ body, onBody }: { readonly body: Body; readonly onBody: (body: Body) => void }): ReactNode {
  const [text, setText] = useState(() => written(body));
  const [known, setKnown] = useState(body);
  // It was begun anew.
  if (known !== body) {
    setKnown(body);
    setText(written(body));
  }
  const read = readYaml(text);
  const fault = 'fault' in read ? read.fault : undefined;
  return (
    <Sheet title="The plan as YAML" aside={<CopyButton text={text} what="plan" />}>
      <div className="stack tight">
        <label htmlFor="as-yaml" className="small quiet">
          As <code>slipway rollout create -f plan.yaml</code> takes it. What is left out takes its default.
        </label>
        <textarea
          id="as-yaml"
          className="as-yaml"
          spellCheck={false}
          value={text}
          aria-invalid={fault === undefined ? undefined : true}
          aria-describedby={fault === undefined ? undefined : 'as-yaml-fault'}
          onChange={({ target }) => {
            setText(target.value);
            const next = readYaml(target.value);
            if ('fault' in next) return;
            setKnown(next.body);
            onBody(next.body);
          }}
        />
        {fault === undefined ? null : (
          <span className="fault" id="as-yaml-fault" role="status">
            {fault}
          </span>
        )}
      </div>
    </Sheet>
  );
}
