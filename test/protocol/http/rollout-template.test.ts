import { describe, expect, it } from '@jest/globals';
import { asSent, newTemplate } from '../../../protocol/http/rollout-template.js';

describe('A plan that was parsed', () => {
  it('is printed as it was sent, with every duration that it may have', () => {
    const sent = {
      name: 'whole',
      groups: [{ name: 'all', soak: 'PT2H', approval: { required: 1, expiresAfter: 'P3D' } }],
      pace: { maxInFlight: 50, awayAfter: 'P2D' },
      retry: { backoff: { first: 'PT5M', max: 'PT6H' } },
      timeouts: { offer: 'PT1H', download: 'PT2H', install: 'PT3H', confirm: 'PT4H', target: 'P30D' },
      confirm: { soak: 'PT1M' },
    };
    expect(asSent(newTemplate.parse(sent))).toMatchObject(sent);
    expect(newTemplate.safeParse(asSent(newTemplate.parse(sent))).success).toBe(true);
  });
});
