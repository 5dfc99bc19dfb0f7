import { defined } from '../../domain/defined.js';
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { simulate, type SimulationRequest } from '../../domain/rollout/simulate.js';

/**
 * A thread that answers one question and ends. On Linux a thread has a priority of its own: where cores are short, the
 * API goes first.
 */
if (process.platform === 'linux') setPriority(0, 5);
defined(parentPort, 'this module runs in a worker thread').postMessage(simulate(workerData as SimulationRequest));
