import type { NextFunction, Request, Response } from 'express';
import type { Logger } from 'pino';
import type { Principal } from './route.js';

const PROBES = /^\/(health|metrics)(\/|$)/;

/** Whether a path is one of health or metrics: in the log they would be most of it, and they have no limit. */
export const isProbe = (path: string): boolean => PROBES.test(path);

/** By the names that every line has for them (docs/operations.md). */
const IDS: ReadonlyMap<string, string> = new Map([
  ['devices', 'deviceId'],
  ['firmware-installations', 'installationId'],
  ['installations', 'installationId'],
  ['firmwares', 'firmwareId'],
  ['rollouts', 'rolloutId'],
]);

/** What a request is about, as its path says. */
export function idsIn(path: string): Record<string, string> {
  const found = [
    ...path.matchAll(/\/([a-z-]+)\/(?:[\w.-]{1,64}\/)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?=\/|$)/g),
  ];
  return Object.fromEntries(
    found.flatMap(([, of = '', id = '']) => {
      const name = IDS.get(of);
      return name === undefined ? [] : [[name, id]];
    }),
  );
}

/**
 * One line for each request, when it is answered or the client is gone. Neither headers nor query: the one holds
 * tokens, the other the signatures of download links.
 */
export function requestLog(log: Logger) {
  return (request: Request, response: Response, next: NextFunction): void => {
    const began = performance.now();
    const { method, path } = request;
    response.once('close', () => {
      const principal = response.locals['principal'] as Principal | undefined;
      const line = {
        method,
        path: path.slice(0, 500),
        status: response.statusCode,
        ms: Math.round(performance.now() - began),
        ...idsIn(path),
        ...(principal && principal.tenantId !== '' ? { tenantId: principal.tenantId, by: principal.id } : {}),
      };
      if (!response.writableFinished) log.info(line, 'the client went away');
      else if (response.statusCode >= 500) log.warn(line, 'answered');
      else if (isProbe(path)) log.debug(line, 'answered');
      else log.info(line, 'answered');
    });
    next();
  };
}
