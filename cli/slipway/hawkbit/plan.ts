import type { Found } from './found.js';
import type { Artifact, SoftwareModule, Target } from './management.js';

/** What is to be made of a hawkBit (docs/connect/hawkbit.md). */
export interface ImportPlan {
  readonly types: readonly PlannedType[];
  readonly firmwares: readonly PlannedFirmware[];
  readonly devices: readonly PlannedDevice[];
  /** What cannot be taken over as it is, one sentence each. */
  readonly remarks: readonly string[];
}

/** A device type: one for each target type, and one for targets without. */
export interface PlannedType {
  readonly name: string;
  /** By the name of the slot, which is the type of the software modules that it takes. */
  readonly slots: Readonly<Record<string, { readonly name: string; readonly part?: string }>>;
  /** What may go where. */
  readonly allowed: readonly { readonly slot: string; readonly firmware: PlannedFirmware }[];
}

/** A firmware: one file of a software module. */
export interface PlannedFirmware {
  readonly name: string;
  readonly version: string;
  readonly description?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly module: SoftwareModule;
  readonly artifact: Artifact;
}

/** A device. Its alias is its controllerId. */
export interface PlannedDevice {
  readonly controllerId: string;
  readonly type: string;
  readonly name: string;
  readonly description?: string;
  readonly tags: readonly string[];
  readonly custom: Readonly<Record<string, string>>;
  readonly token?: string;
}

/** What hawkBit's interface for devices calls these types of software modules. */
const PARTS: Readonly<Record<string, string>> = { application: 'bApp', runtime: 'jvm' };

/** @param typeless the name of the device type for targets that have no type */
export function planImport(found: Found, typeless: string): ImportPlan {
  const remarks: string[] = [];
  const byModule = firmwaresOf(found, remarks);
  const firmwares = [...byModule.values()].flat();
  const types = typesOf(found, typeless, byModule);
  const assigned = new Set(types.flatMap(({ allowed }) => allowed.map(({ firmware }) => firmware)));
  for (const one of firmwares)
    if (!assigned.has(one))
      remarks.push(
        `${one.name} ${one.version} is in no distribution set that fits a target: it is allowed for no slot.`,
      );
  return { types, firmwares, devices: devicesOf(found, typeless, remarks), remarks };
}

function firmwaresOf({ modules, artifacts }: Found, remarks: string[]): Map<number, PlannedFirmware[]> {
  const taken = new Set<string>();
  const planned = new Map<number, PlannedFirmware[]>();
  for (const module of modules) {
    const files = artifacts.get(module.id) ?? [];
    const title = `software module ${module.name} ${module.version}`;
    if (module.encrypted === true) {
      remarks.push(`The ${title} is encrypted by hawkBit: it is left out.`);
      continue;
    }
    if (files.length === 0) remarks.push(`The ${title} has no file: it is left out.`);
    if (files.length > 1)
      remarks.push(`The ${title} has ${files.length} files: each is a firmware, and an installation takes one.`);
    const several = files.length > 1;
    planned.set(
      module.id,
      files.map((artifact) => firmwareOf(module, artifact, several, taken)),
    );
  }
  return planned;
}

function firmwareOf(module: SoftwareModule, artifact: Artifact, several: boolean, taken: Set<string>): PlannedFirmware {
  const { version, description, vendor } = module;
  const name = several ? `${module.name} ${artifact.providedFilename}` : module.name;
  // Names of software modules are unique for each type, those of firmwares are looked for alone.
  const own = taken.has(`${name}@${version}`) ? `${name} (${module.type})` : name;
  taken.add(`${own}@${version}`);
  return {
    name: own,
    version,
    ...(description ? { description } : {}),
    labels: { fileName: artifact.providedFilename, ...(vendor ? { vendor } : {}) },
    module,
    artifact,
  };
}

function typesOf(
  { targets, sets, fitting }: Found,
  typeless: string,
  firmwares: ReadonlyMap<number, readonly PlannedFirmware[]>,
): PlannedType[] {
  const names = new Map<string, number | undefined>();
  for (const target of targets)
    names.set(typeNameOf(target, typeless), target.targetTypeName === undefined ? undefined : target.targetType);
  return [...names].map(([name, targetType]) => {
    const keys = targetType === undefined ? undefined : fitting.get(targetType);
    const modules = new Map(
      sets
        .filter(({ type }) => keys === undefined || keys.size === 0 || keys.has(type))
        .flatMap((set) => (set.modules ?? []).map((module) => [module.id, module] as const)),
    );
    const slots: Record<string, { name: string; part?: string }> = {};
    const allowed: { slot: string; firmware: PlannedFirmware }[] = [];
    for (const module of modules.values()) {
      const own = firmwares.get(module.id) ?? [];
      if (own.length === 0) continue;
      const slot = module.type.replace(/[^a-zA-Z0-9_]/g, '_');
      const part = PARTS[module.type] ?? module.type;
      slots[slot] = { name: module.typeName ?? module.type, ...(part === slot ? {} : { part }) };
      allowed.push(...own.map((firmware) => ({ slot, firmware })));
    }
    return { name, slots, allowed };
  });
}

function typeNameOf({ targetTypeName }: Pick<Target, 'targetTypeName'>, typeless: string): string {
  return targetTypeName ?? typeless;
}

function devicesOf({ targets, tags, attributes }: Found, typeless: string, remarks: string[]): PlannedDevice[] {
  const renamed = new Map<string, string>();
  const tagOf = (tag: string): string => {
    const own = tag.replace(/[^a-zA-Z0-9_-]/g, '-').slice(0, 255);
    if (own !== tag) renamed.set(tag, own);
    return own;
  };
  const devices = targets.map((target): PlannedDevice => {
    const { controllerId, name, description, securityToken } = target;
    const said = Object.entries(attributes.get(controllerId) ?? {});
    return {
      controllerId,
      type: typeNameOf(target, typeless),
      name: name || controllerId,
      ...(description ? { description } : {}),
      tags: [...new Set((tags.get(controllerId) ?? []).map(tagOf))],
      // As if the device had sent them here (docs/contracts/hawkbit-ddi.md, "Attributes").
      custom: Object.fromEntries(said.map(([key, value]) => [`reported.${key}`, value])),
      ...(securityToken ? { token: securityToken } : {}),
    };
  });
  for (const [tag, own] of renamed) remarks.push(`The tag "${tag}" is called ${own} here.`);
  const tokenless = devices.filter(({ token }) => token === undefined).length;
  if (tokenless > 0)
    remarks.push(
      `hawkBit gives no token of ${tokenless} targets: the user needs READ_TARGET_SEC_TOKEN; they come by a gateway token, or need a new one.`,
    );
  return devices;
}
