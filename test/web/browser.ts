import { existsSync } from 'node:fs';
import { chromium, type Browser, type BrowserContextOptions, type Page } from '@playwright/test';

/** Debian's package of that name (.ci/install); Playwright's own download is not reachable everywhere. */
const SHELL = '/usr/bin/chromium-headless-shell';

/** @throws where the browser is not installed: nothing is skipped in silence */
export async function openBrowser(): Promise<Browser> {
  if (!existsSync(SHELL)) throw new Error(`${SHELL} is missing: .ci/install debian installs it`);
  return chromium.launch({ executablePath: SHELL });
}

/** A page of a browser that notes what must not happen: errors of scripts, and violations of the CSP. */
export interface WatchedPage {
  readonly page: Page;
  /** Sentences of what happened that must not; empty is good. */
  readonly faults: string[];
  readonly close: () => Promise<void>;
}

/** Opens a page of its own session. A request that the service refuses is no fault: a page has to live with it. */
export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const context = await browser.newContext({ baseURL: url, viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(`script: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() !== 'error' || /Failed to load resource/.test(message.text())) return;
    faults.push(`console: ${message.text()}`);
  });
  return { page, faults, close: () => context.close() };
}

/** Signs in with a key, at the address where the page is. */
export async function signIn(page: Page, key: string): Promise<void> {
  await page.getByLabel('API key').fill(key);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.locator('.frame').waitFor();
}
