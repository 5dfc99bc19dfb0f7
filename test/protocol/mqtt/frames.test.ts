import { describe, expect, it } from '@jest/globals';
import { generate, type Packet } from 'mqtt-packet';
import { Frames } from '../../../protocol/mqtt/frames.js';

const publish = (bytes: number): Packet => ({
  cmd: 'publish',
  topic: 't',
  payload: Buffer.alloc(bytes),
  qos: 0,
  dup: false,
  retain: false,
});
const stream = Buffer.concat([
  generate(publish(0)),
  generate({ cmd: 'pingreq' }),
  generate(publish(127)),
  generate(publish(300)),
  generate(publish(20_000)),
  generate({ cmd: 'pingreq' }),
]);

describe('The packets of a stream', () => {
  it.each([1, 2, 3, 7, 1_000, stream.length])('are separated when they arrive in pieces of %i bytes', (size) => {
    const types: number[] = [];
    const frames = new Frames(21_000, (type) => void types.push(type));
    for (let at = 0; at < stream.length; at += size)
      expect(frames.accept(stream.subarray(at, at + size))).toBeUndefined();
    expect(types).toEqual([3, 12, 3, 3, 3, 12]);
  });

  it('over the limit are refused before their bytes arrive', () => {
    expect(new Frames(1_000).accept(generate(publish(2_000)).subarray(0, 3))).toBe(
      'a packet is over the limit of 1000 bytes',
    );
    expect(new Frames(1_000).accept(Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]))).toMatch(/over the limit/);
  });

  it('with a length of five bytes are refused', () => {
    expect(new Frames(300_000_000).accept(Buffer.from([0x30, 0x80, 0x80, 0x80, 0x80, 0x01]))).toBe(
      'the length of a packet is malformed',
    );
  });

  it('can be refused by their type and position', () => {
    const frames = new Frames(1_000, (type, index) =>
      index === 0 && type !== 1 ? 'the first packet is no CONNECT' : undefined,
    );
    expect(frames.accept(Buffer.from('GET / HTTP/1.1\r\n'))).toBe('the first packet is no CONNECT');
  });
});
