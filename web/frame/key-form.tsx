import { useState, type FormEvent, type ReactNode } from 'react';
import { Button } from '../design/button.js';
import { Check, Field } from '../design/field.js';
import { offer } from '../service/handover.js';
import { Refused } from '../service/request.js';
import { enter } from '../service/session.js';
import type { Me, One } from '../service/types.js';

/** Signs in with an API key, after the service said that it works. */
export function KeyForm(): ReactNode {
  const [key, setKey] = useState('');
  const [keep, setKeep] = useState(true);
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState<string>();

  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    const token = key.trim();
    if (token === '') return setFault('Paste a key first.');
    setBusy(true);
    try {
      await check(token);
      const session = { token, kind: 'key', kept: keep } as const;
      enter(session);
      offer(session);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      setFault(error.message);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form className="stack" onSubmit={(event) => void submit(event)}>
      <Field
        label="API key"
        type="password"
        autoComplete="current-password"
        spellCheck={false}
        autoFocus
        value={key}
        fault={fault}
        hint="It begins with slp_. The first key of an installation stands in the file admin-token of its data folder."
        onChange={({ target }) => {
          setKey(target.value);
          setFault(undefined);
        }}
      />
      <Check
        label="Keep me signed in after a reload"
        hint={
          keep
            ? 'The key stays in this tab until you close it or sign out.'
            : 'The key is only in memory: a reload of the last open tab signs you out.'
        }
        checked={keep}
        onCheck={setKeep}
      />
      <div>
        <Button look="first" type="submit" busy={busy}>
          {busy ? 'Signing in…' : 'Sign in'}
        </Button>
      </div>
    </form>
  );
}

/** @throws Refused with the sentence of the service */
async function check(token: string): Promise<Me> {
  let response: Response;
  try {
    response = await fetch('/v1/me', { headers: { Accept: 'application/json', Authorization: `Bearer ${token}` } });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    // A header takes no letters outside of Latin-1: such a key is mistyped, and the service was not asked.
    const isLatin = /^[\x21-\x7e]+$/.test(token);
    throw new Refused(
      0,
      'UNREACHABLE',
      isLatin ? 'The service does not answer.' : 'This is no key: it has letters that no key has.',
      [],
      undefined,
      undefined,
    );
  }
  const body = (await response.json()) as One<Me> & { errorCode: string; errorMessage: string };
  if (!response.ok) throw new Refused(response.status, body.errorCode, body.errorMessage, [], undefined, undefined);
  return body.data;
}
