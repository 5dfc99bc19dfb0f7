import { AsyncLocalStorage } from 'node:async_hooks';

/** What every line of the log that is written for a request has, whichever code writes it. */
export interface RequestContext {
  /** `X-Request-Id`: the client's, or one that was made. */
  readonly requestId: string;
}

const context = new AsyncLocalStorage<RequestContext>();

/** Runs `work`, and everything that it starts, within this request. */
export function withinRequest<T>(request: RequestContext, work: () => T): T {
  return context.run(request, work);
}

/** For pino's `mixin`: the members of the present request; none outside of one. */
export function membersOfRequest(): object {
  return { ...context.getStore() };
}
