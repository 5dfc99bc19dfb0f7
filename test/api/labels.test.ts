import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { startApi, type ApiUnderTest } from './api-under-test.js';

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly format?: string;
  readonly maxLength?: number;
}
interface Document {
  readonly paths: Record<string, Record<string, { requestBody?: { content: Record<string, { schema: Schema }> } }>>;
  readonly components: { readonly schemas: Record<string, Schema> };
}

let api: ApiUnderTest;
let document: Document;
beforeAll(async () => {
  api = await startApi('api_labels');
  document = (await (await fetch(`${api.url}/openapi.json`)).json()) as Document;
});
afterAll(() => api.close());

const ID = '123e4567-e89b-42d3-a456-426655440000';
/** Prose may have lines, and a file or a filter is no label; what a device says of its failure is kept as it said it. */
const NO_LABELS = ['description', 'comment', 'rejectReason', 'cert', 'pubkey', 'filter', 'url', 'expression'];
/** Of an amendment they are judged with the rest of the plan, and the document does not say that they are no text. */
const NO_TEXT = ['awayAfter', 'startAt', 'endAt', 'soak', 'expiresAfter', 'then'];
/** A line of its own in a log, a return, text that runs backwards, and what only looks like another name. */
const BAD = ['a\r\nb', 'a\nb', 'a\tb', 'a\u0085b', 'a\u2028b', 'a\u202etxt.exe', 'a\u2066b', 'a\u200fb', 'a\u061cb'];

type Path = readonly (string | number)[];

/** Where a body may hold free text. Records are asked for the key and for the value. */
function* texts(schema: Schema, at: Path, depth = 0): Generator<Path> {
  if (depth > 8) return;
  const ref = schema.$ref?.split('/').at(-1);
  if (ref !== undefined) {
    yield* texts(document.components.schemas[ref]!, at, depth + 1);
    return;
  }
  for (const one of [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])])
    yield* texts(one, at, depth + 1);
  for (const [name, one] of Object.entries(schema.properties ?? {})) yield* texts(one, [...at, name], depth + 1);
  if (schema.items) yield* texts(schema.items, [...at, 0], depth + 1);
  if (typeof schema.additionalProperties === 'object')
    yield* texts(schema.additionalProperties, [...at, 'k'], depth + 1);
  const isText = [schema.type].flat().includes('string');
  if (isText && schema.enum === undefined && schema.const === undefined && schema.format === undefined) yield at;
}

/** A body with nothing but this text. */
function bodyOf([first, ...rest]: Path, value: string): unknown {
  if (first === undefined) return value;
  return typeof first === 'number' ? [bodyOf(rest, value)] : { [first]: bodyOf(rest, value) };
}

it('A name or a label that is more than one line, or turns the direction of text, is refused by every route that takes one', async () => {
  const asked: string[] = [];
  const taken: string[] = [];
  for (const [path, operations] of Object.entries(document.paths))
    for (const [method, { requestBody }] of Object.entries(operations)) {
      const schema = Object.entries(requestBody?.content ?? {}).find(([type]) => type.endsWith('json'))?.[1].schema;
      if (schema === undefined) continue;
      const url = path.replace('{slotName}', 'firmware').replace(/\{\w+\}/g, ID);
      const places = new Map([...texts(schema, [])].map((at) => [`/${at.join('/')}`, at]));
      for (const [pointer, at] of places) {
        if (at.some((name) => [...NO_LABELS, ...NO_TEXT].includes(String(name)))) continue;
        asked.push(`${method} ${path} ${pointer}`);
        for (const bad of BAD) {
          const { status, body } = await api.call(method.toUpperCase(), url, bodyOf(at, bad));
          const errors = (body.errors ?? []) as { pointer: string }[];
          if (status !== 400 || !errors.some((one) => one.pointer === pointer))
            taken.push(`${method} ${path} ${pointer}: ${status} for ${JSON.stringify(bad)}`);
        }
      }
    }
  expect(asked.length).toBeGreaterThan(40);
  for (const one of ['post /v1/devices /info/name', 'post /v1/tenants /name', 'post /v1/rollouts /name'])
    expect(asked).toContain(one);
  expect(taken).toEqual([]);
}, 60_000);

it('Names in other scripts, with accents and emoji, are taken', async () => {
  for (const name of ['Schalter im Flur', 'مفتاح', 'कुंजी', '開關 7', 'Zähler №3 – 😀'])
    expect((await api.call('POST', '/v1/device-types', { name, slots: {} })).status).toBe(201);
});
