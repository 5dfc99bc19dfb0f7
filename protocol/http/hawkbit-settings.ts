import { z } from 'zod';
import { HAWKBIT_TOKEN } from './credentials.js';
import { duration } from './duration.js';
import { id, label } from './envelope.js';

/** Clients drop a poll whose pause is a day or more (docs/contracts/hawkbit-ddi.md, "Polling"). */
const LONGEST_MS = 86_399_000;
const pollingInterval = duration(1_000, LONGEST_MS, 'PT5M');
const example = { pollingInterval: 'PT5M', registersAs: '123e4567-e89b-12d3-a456-426655440003', authorities: [] };

/** A change of the settings; what is absent stays. */
export const hawkbitPatch = z
  .strictObject({
    pollingInterval: pollingInterval.optional(),
    gatewayToken: z.string().regex(HAWKBIT_TOKEN.pattern, { error: HAWKBIT_TOKEN.error }).nullish(),
    registersAs: id.nullish().meta({ description: 'Device type of those that appear' }),
    authorities: z.array(label(1, 255)).max(20).optional(),
  })
  .meta({ id: 'HawkbitSettingsPatch', example: { gatewayToken: 'd2f0a5b0c1e94a7b' } });

/** The settings as they are answered. */
export const hawkbitSettings = z
  .strictObject({
    pollingInterval: z.string(),
    gatewayToken: z.boolean(),
    registersAs: id.nullable(),
    authorities: z.array(z.string()),
  })
  .meta({ id: 'HawkbitSettings', example: { ...example, gatewayToken: true } });
