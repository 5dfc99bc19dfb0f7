import type { Browser } from '@playwright/test';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startApi, type ApiUnderTest } from '../api/api-under-test.js';
import { openBrowser, openPage, signIn } from './browser.js';

let api: ApiUnderTest;
let browser: Browser;

beforeAll(async () => {
  [api, browser] = await Promise.all([startApi('dashboard sign in', { dashboard: 'dist/web' }), openBrowser()]);
});
afterAll(async () => {
  await browser?.close();
  await api?.close();
});

describe('Signing in', () => {
  it('says what is wrong with a key, takes a good one, and leads to where the link led', async () => {
    const { page, faults, close } = await openPage(browser, api.url);
    await page.goto('/jobs?state=done');
    await page.getByLabel('API key').fill('slp_wrong');
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByText('token').first().waitFor();
    await signIn(page, api.token);
    expect(new URL(page.url()).pathname + new URL(page.url()).search).toBe('/jobs?state=done');
    await page.getByRole('heading', { name: 'Jobs', level: 1 }).waitFor();
    await page.reload();
    await page.getByText('No job').waitFor();
    expect(faults).toEqual([]);
    await close();
  });
});
