import { Meter } from './meter.js';
import { refusal, Refused } from './request.js';
import { currentSession, expire } from './session.js';

/** How far an upload is. Sizes are bytes. */
export interface Progress {
  readonly sent: number;
  readonly total: number;
  /** Bytes a second over the last seconds; absent before there is enough to measure. */
  readonly rate?: number;
}

/**
 * Sends a file as the body of a POST. By XMLHttpRequest: `fetch` does not say how far it is.
 * @throws Refused for every answer but 2xx, with status 0 where the line broke off; AbortError after `signal`
 */
export function upload(
  path: string,
  file: Blob,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<void> {
  const session = currentSession();
  const token = session.state === 'in' ? session.token : undefined;
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const meter = new Meter();
    request.upload.onprogress = ({ loaded: sent }) => {
      const rate = meter.take(performance.now(), sent);
      onProgress({ sent, total: file.size, ...(rate === undefined ? {} : { rate }) });
    };
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) return resolve();
      const refused = refusal(request, request.responseText, request.getResponseHeader('Retry-After'));
      if (request.status === 401 && token !== undefined) expire(token, refused.message);
      reject(refused);
    };
    request.onerror = () =>
      reject(
        new Refused(0, 'UPLOAD_BROKEN', 'The connection broke off before all had arrived.', [], undefined, undefined),
      );
    request.onabort = () => reject(new DOMException('The upload was stopped.', 'AbortError'));
    signal.addEventListener('abort', () => request.abort(), { once: true });
    request.open('POST', path);
    request.setRequestHeader('Accept', 'application/json');
    request.setRequestHeader('Content-Type', 'application/octet-stream');
    if (token !== undefined) request.setRequestHeader('Authorization', `Bearer ${token}`);
    request.send(file);
  });
}
