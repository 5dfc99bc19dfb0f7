import { z } from 'zod';
import { DomainError, type Fault } from '../../domain/errors.js';
import { id } from './envelope.js';

/** Of the protocol, https://tus.io/protocols/resumable-upload. */
export const TUS_VERSION = '1.0.0';

/** An upload that resumes, as GET shows it; HEAD has the same in headers. `offset`: where it goes on. */
export const upload = z
  .strictObject({
    id,
    firmwareId: id,
    length: z.int().min(1),
    offset: z.int().min(0),
    expiresAt: z.iso.datetime(),
  })
  .meta({
    id: 'Upload',
    example: {
      id: '5b0d3d8e-2f0c-4b0e-9d0f-7f1c54f9a111',
      firmwareId: '8e03978e-40d5-43e8-bc93-6894a57f9324',
      length: 1_048_576,
      offset: 524_288,
      expiresAt: '2026-11-25T10:00:00.000Z',
    },
  });

/** What a request of tus says in its headers; what its kind does not have is 0, or null. Bytes. */
export interface TusHeaders {
  readonly length: number;
  readonly offset: number;
  readonly metadata: string | null;
}

/** By their names in small letters, as Node has them. */
type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** Keys without spaces and commas, each with a value in Base64 or without one. */
const METADATA = /^[\x21-\x2b\x2d-\x7e]+( [A-Za-z0-9+/=]*)?( *, *[\x21-\x2b\x2d-\x7e]+( [A-Za-z0-9+/=]*)?)*$/;
const METADATA_LENGTH = 4_096;

/**
 * Reads the headers of a request of tus.
 * @param kind `creation` takes Upload-Length and Upload-Metadata, `piece` Upload-Offset, `version` neither
 * @throws DomainError FIRMWARE_UPLOAD_VERSION, FIRMWARE_VALIDATION with each header that does not fit
 */
export function readTus(headers: Headers, kind: 'creation' | 'piece' | 'version'): TusHeaders {
  const version = headers['tus-resumable'];
  if (version !== TUS_VERSION)
    throw new DomainError('FIRMWARE_UPLOAD_VERSION', `the header Tus-Resumable must be ${TUS_VERSION}`, {
      tusVersion: TUS_VERSION,
    });
  const faults: Fault[] = [];
  const bytes = (name: 'Upload-Length' | 'Upload-Offset', least: number): number => {
    const given = headers[name.toLowerCase()];
    const value = typeof given === 'string' && /^\d{1,15}$/.test(given) ? Number(given) : NaN;
    if (value >= least) return value;
    faults.push({ pointer: `/header/${name}`, detail: `must be a number of bytes, ${least} or more` });
    return 0;
  };
  const length = kind === 'creation' ? bytes('Upload-Length', 1) : 0;
  const offset = kind === 'piece' ? bytes('Upload-Offset', 0) : 0;
  const metadata = kind === 'creation' ? (headers['upload-metadata'] ?? '') : '';
  if (
    typeof metadata !== 'string' ||
    metadata.length > METADATA_LENGTH ||
    !(metadata === '' || METADATA.test(metadata))
  )
    faults.push({
      pointer: '/header/Upload-Metadata',
      detail: `must be keys with values in Base64, ${METADATA_LENGTH} characters at most`,
    });
  if (headers['upload-defer-length'] !== undefined)
    faults.push({ pointer: '/header/Upload-Defer-Length', detail: 'is not supported: send Upload-Length' });
  if (faults.length > 0)
    throw new DomainError(
      'FIRMWARE_VALIDATION',
      faults.map(({ pointer, detail }) => `${pointer.slice('/header/'.length)} ${detail}`).join('; '),
      { errors: faults },
    );
  return { length, offset, metadata: metadata === '' ? null : String(metadata) };
}
