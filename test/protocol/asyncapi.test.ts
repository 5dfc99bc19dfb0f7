import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { Ajv } from 'ajv';
import formats from 'ajv-formats';
import { parse } from 'yaml';
import { z } from 'zod';
import { ack, cmd, desired } from '../../protocol/mqtt/down.js';
import {
  ERROR_CODES,
  parseDown,
  parseUp,
  print,
  REPORTED_STATES,
  type Printable,
} from '../../protocol/mqtt/payloads.js';
import {
  ackTopic,
  cmdTopic,
  deviceFilter,
  desiredTopic,
  parseTopic,
  UP_TYPES,
  upTopic,
} from '../../protocol/mqtt/topics.js';
import { hello, log, presence, progress, status } from '../../protocol/mqtt/up.js';

type Json = Record<string, unknown>;
interface Document {
  channels: Record<string, { address: string; messages: Json }>;
  operations: Record<
    string,
    {
      action: string;
      description?: string;
      channel: { $ref: string };
      bindings: { mqtt: { qos: number; retain: boolean } };
    }
  >;
  components: {
    messages: Record<string, { examples: { name?: string; payload: Json }[] }>;
    schemas: Record<string, Json>;
  };
}
const document = parse(readFileSync('docs/asyncapi.yaml', 'utf8')) as Document;
const { channels, components } = document;
const UP = { hello, status, progress, presence, log };
const DOWN = { desired, cmd, ack };
const MESSAGES = [...Object.keys(UP), ...Object.keys(DOWN)];
const where = {
  tenant: 'default',
  node: '123e4567-e89b-42d3-a456-426655440002',
  device: '123e4567-e89b-42d3-a456-426655440002',
};
const addressed = (name: string) =>
  channels[name]!.address.replace('{tenant}', where.tenant)
    .replace('{node}', where.node)
    .replace('{device}', where.device)
    .replace('{slot}', 'firmware');

/** References in place of what they name; what is beside one adds to it. */
function resolved(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(resolved);
  if (typeof schema !== 'object' || schema === null) return schema;
  const { $ref, ...rest } = schema as Json & { $ref?: string };
  const target =
    $ref === undefined ? {} : (resolved(components.schemas[$ref.replace('#/components/schemas/', '')]) as Json);
  return { ...target, ...Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, resolved(value)])) };
}

/** What both sides say in their own way, and what is for people, is left out: patterns are tried by examples below. */
const LEFT_OUT = new Set(['$schema', 'description', 'examples', 'pattern', 'propertyNames']);
function shape(schema: unknown, isNames = false): unknown {
  if (Array.isArray(schema)) return schema.map((one) => shape(one));
  if (typeof schema !== 'object' || schema === null) return schema;
  const kept = Object.entries(schema).filter(
    ([key, value]) => isNames || !(LEFT_OUT.has(key) || Math.abs(value as number) === Number.MAX_SAFE_INTEGER),
  );
  return Object.fromEntries(
    kept.map(([key, value]) => [
      key,
      key === 'required' && !isNames ? [...(value as string[])].sort() : shape(value, key === 'properties' && !isNames),
    ]),
  );
}

const validator = new Ajv({ strict: false, allErrors: true });
formats.default(validator);
const check = (name: string) => validator.compile(resolved(components.schemas[name]) as Json);
const isRead = (name: string, payload: unknown) =>
  (name in UP ? parseUp : parseDown)(addressed(name), Buffer.from(JSON.stringify(payload))).ok;

describe('D19 docs/asyncapi.yaml', () => {
  it('describes each type of message, up and down, and no other', () => {
    expect(Object.keys(channels)).toEqual(MESSAGES);
    expect(Object.keys(components.messages)).toEqual(MESSAGES);
    expect(Object.keys(UP).sort()).toEqual([...UP_TYPES].sort());
  });

  it('has the addresses that the service spells', () => {
    const spelled = {
      ...Object.fromEntries(UP_TYPES.map((type) => [type, upTopic(where, type)])),
      desired: desiredTopic(where, 'firmware'),
      cmd: cmdTopic(where),
      ack: ackTopic(where),
    };
    expect(Object.fromEntries(MESSAGES.map((name) => [name, addressed(name)]))).toEqual(spelled);
    expect(document.operations['receiveDesired']?.description).toContain(
      deviceFilter('TENANT', 'NODE').replace('TENANT', '{tenant}').replace('NODE', '{node}'),
    );
  });

  it('says who sends what, with which QoS, and what is retained', () => {
    const said = Object.values(document.operations).map(({ action, channel, bindings: { mqtt } }) => [
      channel.$ref.replace('#/channels/', ''),
      action,
      mqtt.qos,
      mqtt.retain,
    ]);
    expect(said).toEqual(
      MESSAGES.map((name) => [
        name,
        parseTopic(addressed(name))?.direction === 'up' ? 'send' : 'receive',
        name === 'progress' ? 0 : 1,
        name === 'presence' || name === 'desired',
      ]),
    );
  });

  it.each(Object.entries({ ...UP, ...DOWN }))(
    'describes every member of a %s as the schema has it that the service parses with',
    (name, schema) => {
      const ours = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
      expect(shape(resolved(components.schemas[name]))).toEqual(shape(ours));
    },
  );

  it.each(MESSAGES)('has examples of a %s that the service reads and that its own schema takes', (name) => {
    const validate = check(name);
    const { examples } = components.messages[name]!;
    expect(examples.length).toBeGreaterThan(0);
    for (const { payload } of examples) {
      expect(print(payload as Printable).length).toBeGreaterThan(0);
      expect([payload, isRead(name, payload), validate(payload), validate.errors]).toEqual([payload, true, true, null]);
    }
  });

  it.each(MESSAGES)(
    'refuses a %s where the service does: each member that is required, left out, and each that is wrong',
    (name) => {
      const validate = check(name);
      const [{ payload }] = components.messages[name]!.examples as [{ payload: Json }];
      for (const member of components.schemas[name]!['required'] as string[]) {
        const without = Object.fromEntries(Object.entries(payload).filter(([one]) => one !== member));
        expect([member, validate(without), isRead(name, without)]).toEqual([member, false, false]);
      }
      for (const member of Object.keys(payload).filter(
        (one) => !['at', 'revision'].includes(one) || name === 'desired',
      )) {
        const wrong = { ...payload, [member]: ['nonsense'] };
        if (member === 'lines' || member === 'aliases') continue; // a list of text is what they are
        expect([member, validate(wrong), isRead(name, wrong)]).toEqual([member, false, false]);
      }
    },
  );

  it('names every state and every error code that the service knows', () => {
    const properties = components.schemas['status']!['properties'] as {
      state: { examples: string[] };
      error: { properties: { code: { examples: string[] } } };
    };
    expect(properties.state.examples).toEqual(REPORTED_STATES);
    expect(properties.error.properties.code.examples).toEqual(ERROR_CODES);
  });
});
