import { connect, type IncomingHttpHeaders, type IncomingHttpStatusHeader } from 'node:http2';

/** As the client of Temporal takes them (runtime/temporal-connection.ts). */
export interface ProbeOptions {
  address: string;
  apiKey?: string;
  tls?: {
    serverNameOverride?: string;
    serverRootCACertificate?: Buffer;
    clientCertPair?: { crt: Buffer; key: Buffer };
  };
}

/** In an answer of `probeTemporal`: the engine is there, and does not know the namespace (gRPC's NOT_FOUND). */
export const IS_UNKNOWN_NAMESPACE = /^status 5:/;

const SERVICE = '/temporal.api.workflowservice.v1.WorkflowService';
/** gRPC: one byte that says "not compressed", four of the length, then the message. */
const FRAME_BYTES = 5;

/**
 * Asks Temporal one question by plain HTTP/2. It exists because a check that only wants to know whether the engine is
 * there would load its client for that: 35 MB in the API and in the all in one, and 0.3 s.
 * @param namespace with it: does the engine know it? without: does the engine answer at all?
 * @returns undefined where it does, else what stood in the way. Never rejects.
 */
export async function probeTemporal(
  { address, apiKey, tls }: ProbeOptions,
  withinMs: number,
  namespace?: string,
): Promise<string | undefined> {
  const secure = tls !== undefined || apiKey !== undefined;
  const session = connect(`${secure ? 'https' : 'http'}://${address}`, {
    ...(tls?.serverRootCACertificate && { ca: tls.serverRootCACertificate }),
    ...(tls?.clientCertPair && { cert: tls.clientCertPair.crt, key: tls.clientCertPair.key }),
    ...(tls?.serverNameOverride !== undefined && { servername: tls.serverNameOverride }),
  });
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise<string | undefined>((resolve) => {
      timer = setTimeout(() => resolve(`no answer within ${withinMs} ms`), withinMs);
      session.on('error', (error: Error) => resolve(error.message));
      session.on('close', () => resolve('the connection was closed'));
      const request = session.request({
        ':method': 'POST',
        ':path': `${SERVICE}/${namespace === undefined ? 'GetSystemInfo' : 'DescribeNamespace'}`,
        'content-type': 'application/grpc',
        te: 'trailers',
        ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
      });
      // With its headers where the call failed at once, else behind the message.
      const judge = ({
        'grpc-status': status,
        'grpc-message': message,
        ':status': http,
      }: IncomingHttpHeaders & IncomingHttpStatusHeader) => {
        if (typeof status === 'string')
          resolve(
            status === '0'
              ? undefined
              : `status ${status}: ${typeof message === 'string' ? decodeURIComponent(message) : ''}`,
          );
        else if (http !== undefined && http !== 200) resolve(`HTTP ${http}`);
      };
      request
        .on('response', judge)
        .on('trailers', judge)
        .on('error', (error: Error) => resolve(error.message))
        .on('close', () => resolve('the answer has no end'));
      request.resume();
      request.end(framed(namespace === undefined ? Buffer.alloc(0) : textField(1, namespace)));
    });
  } finally {
    clearTimeout(timer);
    session.destroy();
  }
}

function framed(message: Buffer): Buffer {
  const frame = Buffer.alloc(FRAME_BYTES + message.length);
  frame.writeUInt32BE(message.length, 1);
  message.copy(frame, FRAME_BYTES);
  return frame;
}

/** Of a protobuf message: the field, how many bytes follow, and these. */
function textField(field: number, text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([(field << 3) | 2, ...varint(bytes.length)]), bytes]);
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}
