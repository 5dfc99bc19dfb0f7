import type { Socket } from 'node:net';
import { Frames } from '../../protocol/mqtt/frames.js';

/**
 * A payload is at most 8 KiB; what exceeds that shall still reach the service, which says so in the device's
 * diagnostics.
 */
export const MAX_PACKET_BYTES = 64 * 1024;
/** CONNECT with client id, user name, password and a last will of 8 KiB. */
const MAX_CONNECT_BYTES = 16 * 1024;
/** All that a client may send before it was let in, by default: CONNECT, and what an eager one sends behind it. */
export const MAX_STRANGER_BYTES = 64 * 1024;
const CONNECT = 1;

/**
 * Counts what aedes reads, before its parser sees it: the parser buffers a packet of any length, so one CONNECT of 200
 * MB from a stranger would be 200 MB of memory. The socket's `read` is replaced because it is the one way by which
 * aedes takes bytes.
 * @param mostBeforeConnect bytes of a client that was not let in
 * @returns a function that lifts the limits for unauthenticated.
 */
export function limitPackets(
  socket: Socket,
  mostBeforeConnect: number,
  refused: (why: string, isStranger: boolean) => void,
): () => void {
  const unauthenticated = new Frames(Math.min(MAX_CONNECT_BYTES, mostBeforeConnect), (type, index) =>
    index === 0 && type !== CONNECT ? 'the first packet is no CONNECT' : undefined,
  );
  // A stranger's further packets are counted by the second one, which follows the stream from its beginning as well.
  const everyone = new Frames(MAX_PACKET_BYTES);
  const read = socket.read.bind(socket);
  let known = false;
  let total = 0;
  socket.read = (size?: number) => {
    const chunk = read(size) as Buffer | null;
    if (chunk === null) return null;
    total += chunk.length;
    const tooMuch =
      known || total <= mostBeforeConnect ? undefined : `over ${mostBeforeConnect} bytes before it was let in`;
    const fault = tooMuch ?? (known ? undefined : unauthenticated.accept(chunk)) ?? everyone.accept(chunk);
    if (fault === undefined) return chunk;
    refused(fault, !known);
    socket.destroy();
    return null;
  };
  return () => (known = true);
}
