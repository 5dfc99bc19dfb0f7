import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Page } from '@playwright/test';
import { Clicks, place, type Stage } from './stage.js';

/** Why a device is stuck: where its page says so, after at most two clicks. */
interface Cause {
  readonly cause: string;
  readonly device: string;
  /** What the page of the device says. */
  readonly says: RegExp;
  /** The tab that says it, where it is not the first one. */
  readonly tab?: string;
}

const CAUSES: readonly Cause[] = [
  {
    cause: 'it is offline',
    device: 'never connected',
    says: /Waiting for the device, which is offline, to accept the offer/,
  },
  {
    cause: 'it has no credential',
    device: 'without a password',
    says: /Waiting for a credential: neither the device nor a gateway/,
  },
  {
    cause: 'it is held at its gate',
    device: 'north 1',
    says: /Waiting for release: the download is complete, and the gate says hold/,
  },
  {
    cause: 'it waits behind another installation',
    device: 'north 2',
    says: /Waiting for its turn on the device: installation \S+ is in progress/,
    tab: 'Installations',
  },
  {
    cause: 'it rejected the firmware',
    device: 'hall 1',
    says: /the hardware revision of this device is too old for it/,
  },
  {
    cause: 'it is silent after its reboot',
    device: 'attic 1',
    says: /Waiting for the device.* to restart with the new content/,
  },
];

/** From the overview to the sentence that says why. */
export function stuck(stage: Stage): void {
  describe('A device that is stuck', () => {
    beforeAll(async () => {
      const { fleet } = stage;
      const firmwareId = await fleet.firmware('2.0.0');
      const held = [];
      for (const name of ['north 1', 'north 2'])
        held.push([name, await fleet.install(name, firmwareId, { gate: 'hold' })] as const);
      const silent = await fleet.install('attic 1', firmwareId);
      const rejected = await fleet.install('hall 1', firmwareId);
      for (const name of ['never connected', 'without a password']) await fleet.install(name, firmwareId);
      for (const [name, id] of held) await stage.reaches(name, id, 'downloaded');
      await stage.reaches('hall 1', rejected, 'rejected');
      await stage.reaches('attic 1', silent, 'rebooting');
      await fleet.install('north 2', await fleet.firmware('2.0.1'));
    }, 90_000);

    it.each(CAUSES)('says why in at most three clicks from the overview: $cause', async ({ device, says, tab }) => {
      const { page, faults, close } = await stage.entered('/');
      const clicks = new Clicks(3);
      await clicks.on(place(page, 'Devices'));
      await clicks.on(page.getByRole('link', { name: device, exact: true }));
      await page.getByRole('heading', { name: device, level: 1 }).waitFor();
      if (tab !== undefined) await clicks.on(page.getByRole('link', { name: tab, exact: true }));
      await sentence(page, says);
      expect(faults).toEqual([]);
      await close();
    });

    it('that is held continues once it is released, which the page shows by itself', async () => {
      const { page, close } = await stage.entered('/');
      await page
        .getByRole('region', { name: 'Open installations' })
        .getByRole('link', { name: /gate says hold/ })
        .click();
      await page.getByText('downloaded', { exact: true }).first().waitFor();
      await page.getByRole('button', { name: 'Release' }).click();
      await page.getByText('installed', { exact: true }).first().waitFor({ timeout: 30_000 });
      await close();
    });
  });
}

async function sentence(page: Page, says: RegExp): Promise<void> {
  await page.getByText(says).first().waitFor({ timeout: 30_000 });
}
