import { describe, expect, it } from '@jest/globals';
import { until } from '../../support/all-in-one.js';
import { openPage } from '../browser.js';
import type { Stage } from './stage.js';

/** A sign-in by a real OpenID Connect provider: authorization code with PKCE, as a public client. */
export function provider(stage: Stage): void {
  const button = () => `Sign in with ${new URL(stage.provider.issuer).host}`;

  describe('Signing in with an identity provider', () => {
    it('leads to where the link led, keeps the token out of every storage, and serves a second tab', async () => {
      stage.provider.account = 'ann@default';
      const { page, faults, close } = await openPage(stage.browser, stage.url);
      await page.goto('/rollouts?phase=paused');
      await page.getByRole('button', { name: button() }).click();
      await page.locator('.frame').waitFor();
      expect(page.url()).toBe(`${stage.url}/rollouts?phase=paused`);
      await page.locator('.who').getByText('ann@default').first().waitFor();
      const stored = await page.evaluate<string>('JSON.stringify([{ ...localStorage }, { ...sessionStorage }])');
      expect(stored).not.toMatch(/eyJ|verifier/);

      const second = await page.context().newPage();
      await second.goto('/devices');
      await second.getByRole('heading', { name: 'Devices', level: 1 }).waitFor();
      await page.close();
      await second.reload();
      await second.getByRole('heading', { name: 'Sign in', level: 1 }).waitFor();
      expect(faults).toEqual([]);
      await close();
    }, 60_000);

    it('says why it did not work, where the provider sends back an answer of another sign-in', async () => {
      const { page, close } = await openPage(stage.browser, stage.url);
      await page.goto('/sign-in?code=stolen&state=of-another');
      await page.getByText('This answer of the identity provider is not of this tab.').waitFor();
      expect(page.url()).toBe(`${stage.url}/`);
      await close();
    });

    it('that expires is asked for again in a window, and the page behind keeps what was typed', async () => {
      stage.provider.account = 'ben@default';
      stage.provider.takenSeconds = 12;
      const { page, faults, close } = await openPage(stage.browser, stage.url);
      let authorization = '';
      page.on('request', (request) => (authorization = request.headers()['authorization'] ?? authorization));
      await page.goto('/devices?add=yes');
      await page.getByRole('button', { name: button() }).click();
      await page.getByLabel('Name', { exact: true }).fill('typed by ben');
      stage.provider.takenSeconds = undefined;
      await until('the token works no longer', async () => {
        const { status } = await fetch(`${stage.url}/v1/me`, { headers: { authorization } });
        return status === 401;
      });
      await page.getByRole('button', { name: 'Add', exact: true }).click();
      await page.getByRole('heading', { name: 'Sign in again' }).waitFor();
      const opens = page.waitForEvent('popup');
      await page.getByRole('button', { name: button() }).click();
      const window = await opens;
      await page.getByRole('heading', { name: 'Sign in again' }).waitFor({ state: 'hidden', timeout: 20_000 });
      if (!window.isClosed()) await window.waitForEvent('close');
      expect(await page.getByLabel('Name', { exact: true }).inputValue()).toBe('typed by ben');
      await page.getByRole('button', { name: 'Add', exact: true }).click();
      await page.getByText('The password is shown this once.').waitFor({ timeout: 20_000 });
      expect(faults).toEqual([]);
      await close();
    }, 90_000);
  });
}
