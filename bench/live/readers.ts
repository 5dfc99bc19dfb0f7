import { get } from 'node:http';
import { endWithParent, tellParent } from '../child.js';
import type { FromReaders } from '../messages.js';

/**
 * Reads live events over so many connections and throws them away: what it costs is the readers', not the service's.
 */
const [url, token, count] = process.argv.slice(2) as [url: string, token: string, count: string];
let [open, answered, bytes] = [0, 0, 0];
for (let index = 0; index < Number(count); index += 1) {
  const request = get(
    url,
    { headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream' }, agent: false },
    (response) => {
      answered += 1;
      open += response.statusCode === 200 ? 1 : 0;
      response.on('data', (chunk: Buffer) => (bytes += chunk.length));
      response.on('close', () => (open -= 1));
      response.on('error', () => undefined);
    },
  );
  request.on('error', () => (answered += 1));
}
setInterval(() => {
  const message: FromReaders = { answered, open, bytes };
  tellParent(message);
}, 200);
endWithParent();
