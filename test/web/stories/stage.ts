import { expect } from '@jest/globals';
import type { Browser, Locator, Page } from '@playwright/test';
import type { Profile } from '../../../agent/simulator/profile.js';
import type { ProfileName } from '../../../agent/simulator/profiles.js';
import { TestedAllInOne, until } from '../../support/all-in-one.js';
import { CLIENT_ID, IdentityProvider } from '../../support/identity-provider.js';
import { openBrowser, openPage, signIn, type WatchedPage } from '../browser.js';
import { storyFleet, type StoryFleet } from '../fleet.js';

/** It takes what it is offered, reboots, and is not heard of again while the test runs. */
const NEVER_BACK: Profile = {
  name: 'neverBack',
  expected: { state: 'timed_out', because: 'the device does not come back from its reboot' },
  behave: (control) => ({
    at: (point) => (point === 'booting' ? control.wait(3_600_000) : Promise.resolve()),
  }),
};

const MOODS: Readonly<Record<string, ProfileName | Profile>> = {
  'north 1': 'good',
  'north 2': 'good',
  'hall 1': 'rejecting',
  'attic 1': NEVER_BACK,
  'bad 1': 'rollback',
  'bad 2': 'rollback',
  'bad 3': 'good',
  'calm 1': 'good',
  'calm 2': 'good',
  'pace 1': 'good',
  'pace 2': 'good',
  'pace 3': 'good',
  'pace 4': 'good',
};

/** An operator with a key of its own. */
export interface Person {
  readonly id: string;
  readonly key: string;
}

/** A rollout as the stories read it. */
export interface SeenRollout {
  readonly phase: string;
  readonly version: number;
  readonly eta: string | null;
  readonly pace: { readonly maxInFlight: number; readonly startsPerMinute: number };
  readonly approvals: readonly { readonly by: string }[];
}

/**
 * What all stories share: one service with an identity provider, one browser, and a small fleet of every mood. A test
 * file opens it once and closes it.
 */
export class Stage {
  service!: TestedAllInOne;
  browser!: Browser;
  provider!: IdentityProvider;
  fleet!: StoryFleet;

  async open(): Promise<void> {
    this.provider = await IdentityProvider.start();
    this.service = new TestedAllInOne(undefined, {
      SLIPWAY_JWT_ISSUER: this.provider.issuer,
      SLIPWAY_JWT_AUDIENCE: 'https://dashboard.example',
      SLIPWAY_OIDC_CLIENT_ID: CLIENT_ID,
      SLIPWAY_OIDC_SCOPES: 'openid',
    });
    [this.browser] = await Promise.all([openBrowser(), this.service.start()]);
    this.fleet = await storyFleet(this.service, MOODS);
  }

  async close(): Promise<void> {
    await this.browser?.close();
    await this.fleet?.stop();
    await this.service?.stop();
    this.service?.remove();
    await this.provider?.end();
  }

  get url(): string {
    return this.service.endpoints.http;
  }

  /** A page in a session of its own, signed in. @param key absent = the first key of the installation */
  async entered(path: string, key = this.service.operator.token): Promise<WatchedPage> {
    const opened = await openPage(this.browser, this.url);
    await opened.page.goto(path);
    await signIn(opened.page, key);
    return opened;
  }

  /** A new key. */
  person(name: string, role: string): Promise<Person> {
    return this.service.operator.call<Person>('POST', '/v1/api-keys', { name, role });
  }

  rollout(id: string): Promise<SeenRollout> {
    return this.service.operator.call<SeenRollout>('GET', `/v1/rollouts/${id}`);
  }

  installation(device: string, id: string): Promise<{ readonly state: string; readonly waitingOn?: string | null }> {
    return this.service.operator.installation(this.fleet.devices[device]!, id);
  }

  /** Waits until an installation is in one of these states. */
  async reaches(device: string, id: string, ...states: readonly string[]): Promise<void> {
    await until(`${device} is ${states.join(' or ')}`, async () =>
      states.includes((await this.installation(device, id)).state),
    );
  }
}

/** Clicks of a person, which are counted. */
export class Clicks {
  private count = 0;

  constructor(private readonly most: number) {}

  /** @throws where it is one too many */
  async on(target: Locator): Promise<void> {
    this.count += 1;
    expect(this.count).toBeLessThanOrEqual(this.most);
    await target.click();
  }
}

/** A link of the navigation. */
export function place(page: Page, name: string): Locator {
  return page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name, exact: true });
}
