import type {
  Artifact,
  DistributionSet,
  ManagementApi,
  SoftwareModule,
  Target,
  TargetTag,
  TargetType,
} from './management.js';

/** What a hawkBit has, as far as it is taken over. */
export interface Found {
  readonly targets: readonly Target[];
  /** By controllerId. */
  readonly tags: ReadonlyMap<string, readonly string[]>;
  /** What devices said of themselves, by controllerId. */
  readonly attributes: ReadonlyMap<string, Readonly<Record<string, string>>>;
  readonly modules: readonly SoftwareModule[];
  /** By the id of their module. */
  readonly artifacts: ReadonlyMap<number, readonly Artifact[]>;
  readonly sets: readonly DistributionSet[];
  /** Keys of the types of distribution sets that fit, by the id of a target type. */
  readonly fitting: ReadonlyMap<number, ReadonlySet<string>>;
}

/** Requests at a time: hawkBit's own filter allows about 100 a second of one address by default. */
const AT_ONCE = 4;

/** Reads all of it. @param say a line for people, while it goes on */
export async function readHawkbit(api: ManagementApi, say: (line: string) => void): Promise<Found> {
  const targets = await api.all<Target>('/targets');
  say(`hawkBit: ${targets.length} targets`);
  const tags = await readTags(api);
  const attributes = new Map<string, Readonly<Record<string, string>>>();
  await eachOf(targets, AT_ONCE, async ({ controllerId }) => {
    const own = await api.read<Record<string, string>>(`/targets/${encodeURIComponent(controllerId)}/attributes`);
    attributes.set(controllerId, own ?? {});
    if (attributes.size % 1_000 === 0) say(`hawkBit: attributes of ${attributes.size} targets`);
  });
  const modules = (await api.all<SoftwareModule>('/softwaremodules')).filter(({ deleted }) => deleted !== true);
  const artifacts = new Map<number, readonly Artifact[]>();
  await eachOf(modules, AT_ONCE, async ({ id }) => {
    artifacts.set(id, (await api.read<Artifact[]>(`/softwaremodules/${id}/artifacts`)) ?? []);
  });
  const sets = (await api.all<DistributionSet>('/distributionsets')).filter(({ deleted }) => deleted !== true);
  say(`hawkBit: ${modules.length} software modules, ${sets.length} distribution sets`);
  return { targets, tags, attributes, modules, artifacts, sets, fitting: await readFitting(api) };
}

async function readTags(api: ManagementApi): Promise<ReadonlyMap<string, readonly string[]>> {
  const tags = new Map<string, string[]>();
  for (const { id, name } of await api.all<TargetTag>('/targettags'))
    for (const { controllerId } of await api.all<Target>(`/targettags/${id}/assigned`))
      tags.set(controllerId, [...(tags.get(controllerId) ?? []), name]);
  return tags;
}

async function readFitting(api: ManagementApi): Promise<ReadonlyMap<number, ReadonlySet<string>>> {
  const fitting = new Map<number, ReadonlySet<string>>();
  for (const { id } of await api.all<TargetType>('/targettypes')) {
    const types = await api.read<{ key: string }[]>(`/targettypes/${id}/compatibledistributionsettypes`);
    fitting.set(id, new Set((types ?? []).map(({ key }) => key)));
  }
  return fitting;
}

/** Does it for each, some at a time. The first failure ends it. */
export async function eachOf<T>(all: readonly T[], atOnce: number, work: (one: T) => Promise<void>): Promise<void> {
  const rest = all[Symbol.iterator]();
  const lane = async (): Promise<void> => {
    for (let next = rest.next(); next.done !== true; next = rest.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, all.length) }, lane));
}
