import type { Part, PartName } from './part.js';
import { age } from './parts/age.js';
import { bulk } from './parts/bulk.js';
import { forecast } from './parts/forecast.js';
import { installations } from './parts/installations.js';
import { latency } from './parts/latency.js';
import { lists } from './parts/lists.js';
import { live } from './parts/live.js';
import { memory } from './parts/memory.js';
import { mosquitto } from './parts/mosquitto.js';
import { reports } from './parts/reports.js';
import { rollout } from './parts/rollout.js';
import { startup } from './parts/startup.js';
import { storm } from './parts/storm.js';
import { transfer } from './parts/transfer.js';

export const PARTS: Readonly<Record<PartName, Part>> = {
  installations,
  reports,
  latency,
  transfer,
  lists,
  age,
  bulk,
  rollout,
  live,
  forecast,
  storm,
  mosquitto,
  memory,
  startup,
};
