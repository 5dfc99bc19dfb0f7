import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { pinoHttp, type HttpLogger } from 'pino-http';

/**
 * One line for each request, when it is answered. Neither headers nor query: the one holds tokens, the other the signatures of
 * download links. Probes are left to debugging, or they would be most of the log.
 */
export function requestLog(logger: Logger): HttpLogger {
  return pinoHttp({
    logger,
    quietReqLogger: true,
    serializers: { req: () => undefined, res: () => undefined, err: () => undefined },
    customProps: (request: IncomingMessage, response: ServerResponse) => ({
      method: request.method,
      path: request.url?.split('?', 1)[0],
      status: response.statusCode,
      principal: (response as { locals?: { principal?: { tenantId: string; id: string } } }).locals?.principal?.id,
    }),
    customLogLevel: (request: IncomingMessage, response: ServerResponse, error?: Error) => {
      if (error) return 'warn';
      return request.url?.startsWith('/health') || request.url?.startsWith('/metrics') ? 'debug' : response.statusCode >= 500 ? 'error' : 'info';
    },
    customSuccessMessage: () => 'answered',
    customErrorMessage: () => 'not answered to the end',
  });
}
