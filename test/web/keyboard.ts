import type { Locator, Page } from '@playwright/test';

/** More stops of the Tab key than a page has. */
const MOST_STOPS = 150;

/** A page as one has it who uses no pointer: the focus moves by the Tab key alone. */
export class Keyboard {
  constructor(private readonly page: Page) {}

  /** Moves the focus to it. @throws where no Tab leads there */
  async to(target: Locator): Promise<void> {
    await target.waitFor();
    for (let stop = 0; stop <= MOST_STOPS; stop += 1) {
      if ((await target.and(this.page.locator(':focus')).count()) > 0) return;
      await this.page.keyboard.press('Tab');
    }
    throw new Error(`no Tab leads to ${target.toString()}`);
  }

  /** Presses a link or a button. */
  async press(target: Locator): Promise<void> {
    await this.to(target);
    await this.page.keyboard.press('Enter');
  }

  /** Types into a field. */
  async type(target: Locator, text: string): Promise<void> {
    await this.to(target);
    await this.page.keyboard.type(text);
  }
}
