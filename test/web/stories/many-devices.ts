import { describe, expect, it } from '@jest/globals';
import type { Page } from '@playwright/test';
import { until } from '../../support/all-in-one.js';
import { openPage } from '../browser.js';
import { Keyboard } from '../keyboard.js';
import type { Crowd } from './crowd.js';
import { watchTasks } from './tasks.js';

/** Milliseconds that the main thread may be busy at a stretch: above that, keys and scrolling are felt to hang. */
const MOST_BLOCKED = 200;

/** How far down the rows reach that are in the document. */
const LOWEST_ROW =
  'Math.max(0, ...[...document.querySelectorAll("[aria-rowindex]")].map((row) => Number(row.getAttribute("aria-rowindex"))))';

/** Scrolls by the keyboard until so many rows are loaded and the last of them is seen. */
export async function scrollToEnd(page: Page, rows: number): Promise<void> {
  await until(
    `row ${rows} is there`,
    async () => {
      await page.keyboard.press('End');
      // The head of the list is its first row.
      return (await page.evaluate<number>(LOWEST_ROW)) > rows;
    },
    600_000,
  );
}

/** A list that is longer than what a page can hold. */
export function manyDevices(crowd: Crowd): void {
  const count = crowd.size.toLocaleString('en');

  describe(`A fleet of ${count}`, () => {
    it('is filtered, scrolled, selected, tagged and followed by the keyboard alone, and the page never hangs', async () => {
      const { page, faults, close } = await openPage(crowd.browser, crowd.url);
      const longestTask = await watchTasks(page);
      const keys = new Keyboard(page);
      await page.goto('/devices');
      await keys.type(page.getByLabel('API key'), crowd.key);
      await page.keyboard.press('Enter');
      await page.getByText(count, { exact: true }).first().waitFor();

      await keys.type(page.getByLabel('Filter'), 'tag==north');
      await page.getByText(`${(crowd.size / 10).toLocaleString('en')} match`).waitFor();
      await keys.to(page.getByLabel('Filter'));
      await page.keyboard.press('ControlOrMeta+a');
      await page.keyboard.type('name==switch-*');
      await page.getByText(`${count} match`).waitFor();

      await keys.to(page.getByRole('grid'));
      await page.keyboard.press('PageDown');
      await page.keyboard.press('PageDown');
      await scrollToEnd(page, crowd.size);
      await page.keyboard.press('Home');

      await page.keyboard.press('Shift+Tab');
      await page.keyboard.press('Shift+Tab');
      await keys.press(page.getByRole('button', { name: `Select all ${count} that match` }));
      await page.getByText(`${count} selected: all that match`).waitFor();
      await keys.press(page.getByRole('button', { name: 'Do something to them…' }));
      const dialog = page.getByRole('dialog');
      await keys.type(dialog.getByRole('textbox', { name: 'Tag' }), 'checked');
      await keys.press(dialog.getByRole('button', { name: 'Count them first' }));
      await dialog.getByText(`${count} devices`).waitFor();
      await keys.press(dialog.getByRole('button', { name: 'Begin' }));
      await keys.press(page.getByRole('link', { name: 'follow it' }));
      await page.getByRole('heading', { name: 'tag checked' }).waitFor();
      await page.getByText(`${count} of ${count}`).waitFor({ timeout: 600_000 });

      const { wall, cpu } = await longestTask();
      process.stdout.write(
        `the longest task of the page with ${count} devices took ${wall} ms, ${cpu} ms of them CPU\n`,
      );
      // What other programs take of the CPU is no fault of the page: on an idle machine both are the same.
      expect(cpu).toBeLessThanOrEqual(MOST_BLOCKED);
      expect(faults).toEqual([]);
      await close();
    }, 1_200_000);
  });
}
