import type { AuditEntry } from '../../store/audit/entries.js';
import type { ApiUnderTest, Client, Reply } from '../api/api-under-test.js';
import { growTrees } from '../../store/audit/tiles.js';
import { holdLease, type Fence } from '../../store/db/leases.js';
import { seal } from '../../store/history/seal.js';

/** An entry as the API prints it. */
export type Entry = AuditEntry;

/** The API with what the bridge's leader does twice a second: it seals the history and grows the trees over it. */
export class Audited {
  private constructor(
    readonly api: ApiUnderTest,
    readonly fence: Fence,
  ) {}

  static async over(api: ApiUnderTest): Promise<Audited> {
    const epoch = await holdLease(api.pool, 'bridge', 'test', 3_600_000);
    if (epoch === undefined) throw new Error('another bridge leads');
    return new Audited(api, { name: 'bridge', holder: 'test', epoch });
  }

  async seal(): Promise<void> {
    while ((await seal(this.api.pool, this.fence)) > 0);
    while (await growTrees(this.api.pool, this.fence));
  }

  /** Everything that was done, newest first, as `client` sees it. */
  async entries(query = '', client: Client = this.api): Promise<Entry[]> {
    await this.seal();
    const { body } = await client.call('GET', `/v1/audit?pageSize=100${query}`);
    return body.data as Entry[];
  }

  async checkpoint(): Promise<{ text: string; size: number }> {
    await this.seal();
    const { body } = await this.api.call('GET', '/v1/audit/checkpoint');
    return { text: body as string, size: Number((body as string).split('\n')[1]) };
  }

  async key(): Promise<{ verifierKey: string; rotations: string[] }> {
    return (await this.api.call('GET', '/v1/audit/key')).body.data as { verifierKey: string; rotations: string[] };
  }

  /** The lines of an export, without the last break. */
  async lines(query = ''): Promise<string[]> {
    return (await this.text(query)).trimEnd().split('\n');
  }

  async text(query = ''): Promise<string> {
    await this.seal();
    return String((await this.api.call('GET', `/v1/audit/export${query}`)).body);
  }

  /** @returns the newest entry of an act that was just done */
  async of(act: Promise<Reply>): Promise<Entry> {
    const { status, body } = await act;
    if (status >= 300) throw new Error(`${status}: ${JSON.stringify(body)}`);
    const [newest] = await this.entries();
    if (newest === undefined) throw new Error('there is no entry');
    return newest;
  }
}
