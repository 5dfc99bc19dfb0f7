import type { Payload } from '../bridge/hand-made-device.js';

/** What a story needs of a device, however it speaks. `HandMadeDevice` has it by MQTT. */
export interface StoryDevice {
  readonly id: string;
  /** What it was told, oldest first, under the topics of MQTT. */
  readonly heard: readonly { topic: string; json: Payload | null }[];
  topic(rest: string, device?: string): string;
  send(topic: string, payload: string | object): Promise<void>;
  status(document: Payload, state: string, more?: Record<string, unknown>): Promise<string>;
  hello(slots: Record<string, object>, more?: Record<string, unknown>): Promise<string>;
  presence(online: boolean): Promise<void>;
  desired(device?: string, slot?: string, is?: (document: Payload) => boolean): Promise<Payload>;
  cleared(device?: string, slot?: string): Promise<true>;
  ack(what: string): Promise<Payload>;
  cmd(name: string): Promise<Payload>;
  /** Gone, without a word. */
  cut(): void;
  end(): Promise<void>;
}
