import { useEffect, useState } from 'react';
import type { Body } from '../plan/body.js';

/** The name in the tab's storage of a plan that is not created yet: it survives a reload and another sign-in. */
const KEPT = 'slipway.plan';

/** The plan that is being written. @param first members that the address gives; they replace what was kept */
export function useDraft(first: Body) {
  const [body, setBody] = useState<Body>(() => ({ ...kept(), ...first }));
  useEffect(() => {
    if (Object.keys(body).length === 0) sessionStorage.removeItem(KEPT);
    else sessionStorage.setItem(KEPT, JSON.stringify(body));
  }, [body]);
  return {
    body,
    setBody,
    /** It is created, or thrown away. */
    forget: () => sessionStorage.removeItem(KEPT),
  };
}

function kept(): Body {
  const text = sessionStorage.getItem(KEPT);
  return text === null ? {} : (JSON.parse(text) as Body);
}
