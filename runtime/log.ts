import pino from 'pino';
import { membersOfRequest } from './request-context.js';

/** A logger that writes JSON lines. */
export type Log = pino.Logger;

/**
 * JSON lines on standard error: standard output belongs to what people read. Written synchronously, because the last
 * line before a crash is the one that is looked for.
 */
export function createLog(processName: string, level: string = process.env['SLIPWAY_LOG_LEVEL'] || 'info'): Log {
  const options = {
    level,
    base: { process: processName, pid: process.pid },
    mixin: membersOfRequest,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { error: pino.stdSerializers.errWithCause, err: pino.stdSerializers.errWithCause },
  };
  return pino(options, pino.destination({ dest: 2, sync: true }));
}
