import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { endWithParent, tellParent } from '../child.js';
import type { Listening } from '../messages.js';

/** An upload at its barest: Node's HTTP server, which hashes what it receives and keeps nothing. */
const server = createServer(
  (request, response) =>
    void hashOf(request).then(
      (hash) => response.end(hash),
      () => response.destroy(),
    ),
);
server.listen(0, '127.0.0.1', () => {
  const message: Listening = { said: 'listening', port: (server.address() as AddressInfo).port };
  tellParent(message);
});
endWithParent();

async function hashOf(request: IncomingMessage): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of request) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
