import type { Request } from 'express';
import { DomainError } from '../../domain/errors.js';
import { parseUp } from '../../protocol/mqtt/payloads.js';
import { upTopic, type Address, type UpType } from '../../protocol/mqtt/topics.js';
import type { Reading } from '../../store/commands/device-messages.js';
import { checkMediaType, readBytes } from '../http/body.js';

/** What is larger is not read to its end; of what lies between this and a payload's limit the beginning is kept. */
const MAX_READ_BYTES = 64 * 1024;

/**
 * Reads what a device sent as if it had come by MQTT: under the topic that it would have had. What cannot be read is a
 * refusal with its reason. @throws DomainError where there is no body to be read
 */
export async function readSent(request: Request, address: Address, type: UpType): Promise<Reading> {
  checkMediaType(request, ['application/json']);
  const payload = await readBytes(request, MAX_READ_BYTES);
  const topic = upTopic(address, type);
  const parsed = parseUp(topic, payload);
  const incoming = { topic, payload };
  if (parsed.ok) return { incoming, message: parsed.message };
  const { tenant, node, device } = address;
  return {
    incoming,
    refusal: { reason: parsed.reason, detail: parsed.detail, about: { tenantId: tenant, node, device } },
  };
}

/** What a device is answered whose body could not be read. */
export function refusalError(reading: Extract<Reading, { readonly refusal: unknown }>): DomainError {
  const { reason, detail } = reading.refusal;
  return new DomainError(reason === 'too_large' ? 'REQUEST_TOO_LARGE' : 'REQUEST_VALIDATION', detail, { reason });
}
