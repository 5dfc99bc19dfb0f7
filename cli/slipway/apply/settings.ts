import {
  getHawkbitSettings,
  listDeviceTypes,
  patchHawkbitSettings,
  type HawkbitSettings,
  type HawkbitSettingsPatch,
} from '../../../client/index.js';
import { allOf } from '../pages.js';
import { typeId } from '../resolve.js';
import { bare, differenceLines, differences, isMembers, type Difference } from './compare.js';
import { nameOf } from './documents.js';
import { orFault, type Around, type Planned } from './step.js';
import { isSecretName } from './secrets.js';

/**
 * Settings: members that the file does not name stay as they are. A token is a secret of the service, which says only
 * whether there is one: it is sent where there is none, or with `--set-secrets`.
 */
export async function planSettings({ client, documents, secrets, setsSecrets }: Around): Promise<Planned> {
  const [document] = documents.filter(({ kind }) => kind === 'settings');
  if (document === undefined) return { steps: [], surplus: [], same: 0 };
  const { file } = document;
  const { gatewayToken: token, registersAs, ...rest } = document.body['hawkbit'] as Readonly<Record<string, unknown>>;
  const now = (await getHawkbitSettings({ client })).data;
  const secret = isMembers(token) ? token['secret'] : undefined;
  if (token !== undefined && token !== null && !isSecretName(secret))
    return {
      steps: [],
      surplus: [],
      same: 0,
      faults: [`${file.placeOf('/hawkbit/gatewayToken')} /hawkbit/gatewayToken has to be {secret: NAME}, or null`],
    };
  const isSent = isSecretName(secret) && (setsSecrets || !now.gatewayToken);
  const changed: Difference[] = [
    ...plainDifferences(now, rest),
    ...(registersAs === undefined ? [] : differences({ registersAs: await typeName(now) }, { registersAs })),
    ...(isSent ? [{ path: 'gatewayToken', after: `(secret ${secret})` }] : []),
    ...(token === null && now.gatewayToken ? [{ path: 'gatewayToken', before: '(secret)' }] : []),
  ];
  const notes =
    isSecretName(secret) && !isSent
      ? [`The gateway token is set already, and the service does not show it: --set-secrets sends ${secret} again.`]
      : [];
  if (changed.length === 0) return { steps: [], surplus: [], same: 1, notes };
  // What is missing shows before anything begins.
  const faults: string[] = [];
  const at = '/hawkbit/gatewayToken/secret';
  const value = isSent ? await orFault(file, at, faults, () => secrets.value(secret)) : undefined;
  if (faults.length > 0) return { steps: [], surplus: [], same: 0, faults };
  const run = async () => {
    const type = typeof registersAs === 'string' ? await typeId(client, registersAs) : registersAs;
    const body = {
      ...rest,
      ...(registersAs === undefined ? {} : { registersAs: type }),
      ...(value === undefined ? {} : { gatewayToken: value }),
      ...(token === null ? { gatewayToken: null } : {}),
    } as HawkbitSettingsPatch;
    await patchHawkbitSettings({ client, body });
    return undefined;
  };
  const lines = differenceLines(changed).map((line) => line.replace(/^(. )/, '$1hawkbit.'));
  // The places of faults are those of the document, whose members stand one level lower.
  const inner = { ...file, placeOf: (pointer: string) => file.placeOf(`/hawkbit${pointer}`) };
  return {
    steps: [{ action: 'change', kind: 'settings', name: nameOf(document), lines, file: inner, run }],
    surplus: [],
    same: 0,
    notes,
  };

  /** As files say it. */
  async function typeName({ registersAs: id }: HawkbitSettings): Promise<string | null> {
    if (id === null || registersAs === id) return id;
    const types = await allOf((query) => listDeviceTypes({ client, query }));
    return types.find((one) => one.id === id)?.name ?? id;
  }
}

function plainDifferences(now: HawkbitSettings, wanted: Readonly<Record<string, unknown>>): Difference[] {
  const keys = Object.keys(wanted);
  const before = Object.fromEntries(Object.entries(now).filter(([key]) => keys.includes(key)));
  return differences(bare(before), bare(wanted));
}
