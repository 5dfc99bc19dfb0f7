import { useState, type ReactNode } from 'react';
import { Button } from '../design/button.js';
import { Fault } from '../design/notice.js';
import { useApi } from '../service/queries.js';
import type { AuthConfig, One } from '../service/types.js';
import { KeyForm } from './key-form.js';

/**
 * The ways to sign in, as the service says.
 * @param inPlace whether a page waits behind it: then the identity provider opens in a window of its own
 */
export function WaysIn({ inPlace }: { readonly inPlace: boolean }): ReactNode {
  const config = useApi<One<AuthConfig>>('/v1/auth/config').data?.data;
  return (
    <div className="stack">
      {config?.oidc ? (
        <>
          <ByProvider oidc={config.oidc} inPlace={inPlace} />
          <p className="or">or</p>
        </>
      ) : null}
      <KeyForm />
    </div>
  );
}

function ByProvider({
  oidc,
  inPlace,
}: {
  readonly oidc: NonNullable<AuthConfig['oidc']>;
  readonly inPlace: boolean;
}): ReactNode {
  const [error, setError] = useState<Error>();
  const go = async (): Promise<void> => {
    try {
      const { begin } = await import('./oidc.js');
      await begin(oidc, inPlace);
    } catch (thrown) {
      setError(thrown instanceof Error ? thrown : new Error(String(thrown)));
    }
  };
  return (
    <div className="stack tight">
      <div>
        <Button look="first" onPress={() => void go()}>
          Sign in with {new URL(oidc.issuer).host}
        </Button>
      </div>
      <p className="hint">
        The token is only in memory: after a reload of the last open tab you sign in again, mostly without a password.
      </p>
      {error ? <Fault error={error} /> : null}
    </div>
  );
}
