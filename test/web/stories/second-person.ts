import { describe, expect, it } from '@jest/globals';
import { Operator } from '../../../demo/service/operator.js';
import { until } from '../../support/all-in-one.js';
import { openPage } from '../browser.js';
import { Keyboard } from '../keyboard.js';
import type { Stage } from './stage.js';

/** Two votes are needed, and the plan is amended between them. */
export function secondPerson(stage: Stage): void {
  describe('The second person', () => {
    it('approves by the keyboard alone, after an amendment voided the first vote, and sees what was amended', async () => {
      const { fleet, service } = stage;
      const [ann, ben] = [await stage.person('ann', 'owner'), await stage.person('ben', 'owner')];
      const asAnn = new Operator(stage.url, ann.key);
      const firmwareId = await fleet.firmware('1.6.0');
      const rolloutId = await fleet.rollout('takes two votes', firmwareId, ['never connected'], {
        groups: [{ name: 'all' }],
        pace: { maxInFlight: 20 },
        approval: { required: 2 },
      });
      await asAnn.call('POST', `/v1/rollouts/${rolloutId}/approve`, {});
      await service.operator.call('PATCH', `/v1/rollouts/${rolloutId}`, { pace: { maxInFlight: 900 } });

      const { page, faults, close } = await openPage(stage.browser, stage.url);
      const keys = new Keyboard(page);
      await page.goto('/');
      await keys.type(page.getByLabel('API key'), ben.key);
      await page.keyboard.press('Enter');
      await keys.press(page.getByRole('link', { name: 'Look at what waits' }));
      const waiting = page.getByRole('region', { name: 'takes two votes' });
      await waiting.getByText('0 of 2').waitFor();
      await waiting.getByText('Votes were voided').waitFor();
      await keys.press(waiting.getByRole('link', { name: 'Look at what was amended' }));
      const change = page.locator('.diff li', { hasText: 'pace.maxInFlight' });
      expect(await change.innerText()).toMatch(/20\s+900/);
      await keys.press(page.getByRole('button', { name: 'Approve…' }));
      const dialog = page.getByRole('dialog');
      await dialog.getByText('Your vote is for version 2 of the plan.').waitFor();
      await keys.press(dialog.getByRole('button', { name: 'Approve', exact: true }));
      await page.getByText('You approved takes two votes.').waitFor();
      await until('the vote counts', async () => (await stage.rollout(rolloutId)).approvals.length === 1);

      // The first one votes once more, for the plan as it is now.
      await asAnn.call('POST', `/v1/rollouts/${rolloutId}/approve`, {});
      await page.getByText('running', { exact: true }).first().waitFor({ timeout: 20_000 });
      expect(faults).toEqual([]);
      await close();
      await service.operator.call('POST', `/v1/rollouts/${rolloutId}/abort`, {});
    }, 60_000);
  });
}
