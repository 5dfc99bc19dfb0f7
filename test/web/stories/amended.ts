import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Page } from '@playwright/test';
import { until } from '../../support/all-in-one.js';
import { place, type Stage } from './stage.js';

const PACED = ['pace 1', 'pace 2', 'pace 3', 'pace 4'];

/** A rollout that runs, and whose pace is changed meanwhile. */
export function amended(stage: Stage): void {
  let rolloutId: string;

  const dialogOf = (page: Page) => page.getByRole('dialog', { name: 'Amend the pace' });
  /** The cell of a row of the forecast: 1 = as it is, 2 = as typed. */
  const foreseen = (page: Page, what: string, column: 1 | 2) =>
    dialogOf(page).getByRole('row', { name: what }).getByRole('cell').nth(column);

  describe('The pace of a running rollout', () => {
    beforeAll(async () => {
      rolloutId = await stage.fleet.rollout('slowly', await stage.fleet.firmware('1.7.0'), PACED, {
        groups: [{ name: 'all' }],
        pace: { startsPerMinute: 1 },
      });
      await until('it runs', async () => (await stage.rollout(rolloutId)).eta !== null);
    });

    it('is amended by the keyboard, and its forecast moves: beside the form, and then on the page', async () => {
      const { page, faults, close } = await stage.entered('/rollouts');
      await page.getByRole('link', { name: 'slowly' }).click();
      await page.getByText(/Expected to end/).waitFor();
      const before = Date.parse((await stage.rollout(rolloutId)).eta!);
      await page.getByRole('button', { name: 'Amend…' }).click();
      const takes = foreseen(page, 'Takes, as likely as not', 2);
      await takes.waitFor({ timeout: 60_000 });
      const asItIs = await takes.innerText();
      expect(asItIs).toBe(await foreseen(page, 'Takes, as likely as not', 1).innerText());

      await dialogOf(page).getByLabel('Starts per minute, at most').fill('0');
      await dialogOf(page).getByText('A whole number, 1 or more.').waitFor();
      await dialogOf(page).getByLabel('Starts per minute, at most').fill('600');
      await until('the forecast moves', async () => (await takes.innerText()) !== asItIs, 60_000);
      await page.keyboard.press('Enter');
      await page.getByText('The pace is amended.').waitFor();
      await until('the end is nearer', async () => {
        const { eta, phase } = await stage.rollout(rolloutId);
        return phase === 'finished' || (eta !== null && Date.parse(eta) < before - 30_000);
      });
      await page.getByText('finished', { exact: true }).first().waitFor({ timeout: 30_000 });
      expect(faults).toEqual([]);
      await close();
    }, 180_000);
  });

  describe('Two people and one rollout', () => {
    beforeAll(async () => {
      rolloutId = await stage.fleet.rollout('for two', await stage.fleet.firmware('1.8.0'), ['never connected'], {
        groups: [{ name: 'all' }],
        pace: { maxInFlight: 10 },
      });
    });

    it('the slower one reads what the faster one changed, keeps what was typed, and continues', async () => {
      const [faster, slower] = [await stage.entered('/'), await stage.entered('/')];
      for (const { page } of [faster, slower]) {
        await place(page, 'Rollouts').click();
        await page.getByRole('link', { name: 'for two' }).click();
        await page.getByRole('button', { name: 'Amend…' }).click();
        await dialogOf(page)
          .getByLabel('In flight, at most')
          .fill(page === faster.page ? '20' : '30');
      }
      await dialogOf(slower.page).getByLabel('Starts per minute, at most').fill('77');
      await dialogOf(faster.page).getByRole('button', { name: 'Amend', exact: true }).click();
      await faster.page.getByText('The pace is amended.').waitFor();

      await dialogOf(slower.page).getByRole('button', { name: 'Amend', exact: true }).click({ force: true });
      const told = dialogOf(slower.page).getByRole('alert').filter({ hasText: 'It was amended meanwhile' });
      expect(await told.innerText()).toMatch(/You looked at version 1; now it is version 2[^]*10[^]*20/);
      expect((await stage.rollout(rolloutId)).pace.maxInFlight).toBe(20);
      await told.getByRole('button', { name: 'Go on from version 2' }).click();
      expect(await dialogOf(slower.page).getByLabel('In flight, at most').inputValue()).toBe('30');
      await dialogOf(slower.page).getByRole('button', { name: 'Amend', exact: true }).click();
      await slower.page.getByText('The pace is amended.').waitFor();
      expect(await stage.rollout(rolloutId)).toMatchObject({
        version: 3,
        pace: { maxInFlight: 30, startsPerMinute: 77 },
      });
      expect([...faster.faults, ...slower.faults]).toEqual([]);
      await Promise.all([faster.close(), slower.close()]);
    }, 60_000);

    it('a command for a plan that was amended meanwhile does nothing, and says so in words', async () => {
      const { page, close } = await stage.entered(`/rollouts/${rolloutId}`);
      await page.getByRole('button', { name: 'Abort…' }).click();
      await stage.service.operator.call('PATCH', `/v1/rollouts/${rolloutId}`, { pace: { maxInFlight: 7 } });
      await page.getByRole('dialog').getByRole('button', { name: 'Abort', exact: true }).click();
      await page.getByText('It was changed meanwhile').waitFor();
      expect((await stage.rollout(rolloutId)).phase).toBe('running');
      await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click();
      await page.getByRole('button', { name: 'Abort…' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Abort', exact: true }).click();
      await page.getByText('aborted', { exact: true }).first().waitFor({ timeout: 20_000 });
      await close();
    }, 60_000);
  });
}
