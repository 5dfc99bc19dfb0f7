import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { EMPTY_STATE, type AgentState } from './state.js';
import { codeOf, replaceFile } from './write-file.js';

/** Where the agent's state lives: one JSON file, replaced as a whole. */
export class StateFile {
  constructor(
    private readonly path: string,
    private readonly durable: boolean,
  ) {}

  /**
   * @throws with a sentence where the file is there but is not ours: to begin anew in silence would install everything
   * again.
   */
  async load(): Promise<AgentState> {
    await mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
    let text: string;
    try {
      text = await readFile(this.path, 'utf8');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return EMPTY_STATE;
      throw error;
    }
    return readState(text, this.path);
  }

  save(state: AgentState): Promise<void> {
    return replaceFile(this.path, JSON.stringify(state), this.durable);
  }
}

function readState(text: string, path: string): AgentState {
  let state: unknown;
  try {
    state = JSON.parse(text);
  } catch (error) {
    throw new Error(`${path} is not JSON; remove it to let the agent begin anew`, { cause: error });
  }
  const { v, slots, unacknowledged } = (state ?? {}) as Partial<AgentState>;
  if (v !== 1 || typeof slots !== 'object' || !Array.isArray(unacknowledged)) {
    throw new Error(`${path} was not written by this version of the agent; remove it to let the agent begin anew`);
  }
  return state as AgentState;
}
