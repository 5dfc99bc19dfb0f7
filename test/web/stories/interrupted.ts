import { describe, expect, it } from '@jest/globals';
import type { Page } from '@playwright/test';
import type { Stage } from './stage.js';

/** What breaks off in the middle of a form. */
export function interrupted(stage: Stage): void {
  const dialogOf = (page: Page) => page.getByRole('dialog', { name: 'Add a device' });
  const begun = async (name: string, key?: string) => {
    const opened = await stage.entered('/devices?add=yes', key);
    await dialogOf(opened.page).getByLabel('Name', { exact: true }).fill(name);
    return opened;
  };
  /** Ends the form, after which the device is there once. */
  const completed = async (page: Page, name: string): Promise<void> => {
    expect(await dialogOf(page).getByLabel('Name', { exact: true }).inputValue()).toBe(name);
    await dialogOf(page).getByRole('button', { name: 'Add', exact: true }).click();
    await page.getByText('The password is shown this once.').waitFor({ timeout: 20_000 });
    expect(await stage.service.operator.all(`/v1/devices?name=${encodeURIComponent(name)}`)).toHaveLength(1);
  };

  describe('In the middle of a form', () => {
    it('the service goes away: it is said within two seconds, and the form is completed once it is back', async () => {
      const { page, faults, close } = await begun('typed before');
      const api = stage.service.processes().find(({ command }) => command.includes('workers/api.js'))!;
      process.kill(api.pid, 'SIGKILL');
      const away = page.getByText('The service does not answer').first();
      await away.waitFor({ timeout: 2_000 });
      await away.waitFor({ state: 'hidden', timeout: 60_000 });
      await completed(page, 'typed before');
      expect(faults).toEqual([]);
      await close();
    }, 120_000);

    it('the sign-in expires: it is asked for in place, and the form is completed', async () => {
      const short = await stage.person('short', 'owner');
      const { page, faults, close } = await begun('typed by another', short.key);
      await stage.service.operator.call('DELETE', `/v1/api-keys/${short.id}`);
      await page.getByRole('heading', { name: 'Sign in again' }).waitFor({ timeout: 30_000 });
      await page.getByLabel('API key').fill(stage.service.operator.token);
      await page.getByRole('button', { name: 'Sign in', exact: true }).click();
      await page.getByRole('heading', { name: 'Sign in again' }).waitFor({ state: 'hidden' });
      await completed(page, 'typed by another');
      expect(faults).toEqual([]);
      await close();
    }, 60_000);
  });
}
