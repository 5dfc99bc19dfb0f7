import { randomUUID } from 'node:crypto';
import { paired } from '../../domain/pairs.js';
import type { IClientOptions } from 'mqtt';
import { parseUsername } from '../../protocol/mqtt/access.js';
import { aclsOf, type Acl } from './mosquitto.js';
import { MosquittoControl, type Answer, type Command } from './mosquitto-control.js';
import { sweepRetained } from './mosquitto-sweep.js';
import type { BrokerAdmin, LoginOutcome, ValidPassword, WantedLogin } from './port.js';

/** What the plugin holds of one node. */
interface Held {
  readonly client:
    | {
        readonly textdescription?: string;
        readonly disabled?: boolean;
        readonly roles: readonly { rolename: string }[];
      }
    | undefined;
  readonly acls: readonly Acl[] | undefined;
}
interface Plan {
  readonly outcome: LoginOutcome | Error;
  readonly commands: readonly Command[];
}

/**
 * Mosquitto's logins, through the plugin's control topic: no restart, no file. A name and a role per node.
 *
 * The plugin knows one password of a name, where Slipway lets two be valid: the older one stays in force until it is
 * revoked, then the newer one takes over (docs/decisions/0002-mosquitto-credentials.md). Which one it is stands in the
 * client's description, because no password can be read back.
 */
export function mosquittoAdmin(url: string, options: () => Promise<IClientOptions>): BrokerAdmin {
  const control = new MosquittoControl(url, options);
  /**
   * Of devices that are deleted: each login gets a password that is known here alone, which ends the connections of the
   * device. It goes last: as long as it is there, this is tried again. @returns what failed, by login.
   */
  const sweep = async (gone: readonly (readonly [WantedLogin, Held])[]): Promise<Map<WantedLogin, Error>> => {
    const borrowed = gone.map(([one, held]) => {
      const [id, password] = [randomUUID(), randomUUID()];
      const { commands } = planLogin({ ...one, known: true, valid: [{ id, reveal: () => password }] }, held);
      return { one, password, commands };
    });
    const refused = refusals(borrowed, await control.ask(borrowed.flatMap(({ commands }) => commands)));
    const open = borrowed.filter((_one, index) => refused[index] === undefined);
    const swept = await sweepRetained(
      url,
      open.map(({ one, password }) => ({ tenant: one.tenant, node: one.node, password })),
      options,
    );
    const faults = [...paired(borrowed, refused), ...paired(open, swept)];
    return new Map(faults.flatMap(([{ one }, fault]): [WantedLogin, Error][] => (fault ? [[one, fault]] : [])));
  };
  return {
    async bringUpToDate(wanted) {
      const held = await read(control, wanted);
      const both = paired(wanted, held);
      const faults = await sweep(both.filter(([one, now]) => isGone(one, now)));
      const plans = both.map(([one, now]): Plan => {
        const fault = faults.get(one);
        return fault ? { outcome: fault, commands: [] } : planLogin(one, now);
      });
      const refused = refusals(plans, await control.ask(plans.flatMap((plan) => plan.commands)));
      return paired(plans, refused).map(([{ outcome }, fault]) => fault ?? outcome);
    },
    async nodes() {
      const [answer] = await control.ask([{ command: 'listClients' }]);
      const names = (answer?.data?.['clients'] ?? []) as string[];
      return names.flatMap((name) => parseUsername(name) ?? []);
    },
    close: () => control.close(),
  };
}

async function read(control: MosquittoControl, wanted: readonly WantedLogin[]): Promise<Held[]> {
  const answers = await control.ask(
    wanted.flatMap((one) => [
      { command: 'getClient', username: nameOf(one) },
      { command: 'getRole', rolename: nameOf(one) },
    ]),
  );
  return wanted.map((_one, index) => ({
    client: member(answers[2 * index], 'client') as Held['client'],
    acls: (member(answers[2 * index + 1], 'role') as { acls: Acl[] } | undefined)?.acls,
  }));
}

/** "Client not found" is an answer; anything else that went wrong shows when the plan is carried out. */
function member(answer: Answer | undefined, name: string): unknown {
  return answer?.error === undefined ? answer?.data?.[name] : undefined;
}

/** Of each, what the plugin refused of its commands; the answers stand in their order. */
function refusals(
  all: readonly { readonly commands: readonly Command[] }[],
  answers: readonly Answer[],
): (Error | undefined)[] {
  let next = 0;
  return all.map(({ commands }) => {
    const refused = answers.slice(next, (next += commands.length)).find((answer) => answer.error !== undefined);
    return refused && new Error(`the broker's dynamic security plugin refused ${refused.command}: ${refused.error}`);
  });
}

/** Its device is deleted, and the plugin knows it still. */
function isGone({ known }: WantedLogin, { client }: Held): boolean {
  return !known && client !== undefined;
}

/**
 * Pure: what is there and what should be there → what to say. Commands that change nothing are left out: each one cuts
 * off connected clients.
 */
function planLogin(wanted: WantedLogin, held: Held): Plan {
  const [username, rolename] = [nameOf(wanted), nameOf(wanted)];
  if (!wanted.known) {
    // Where there was a client, the sweep gave it a role.
    const commands = [
      ...(held.client ? [{ command: 'deleteClient', username }] : []),
      ...(held.acls || held.client ? [{ command: 'deleteRole', rolename }] : []),
    ];
    return { outcome: held.client ? 'shut_out' : 'unchanged', commands };
  }
  const choice = choose(wanted.valid, held);
  // Disabled, not deleted: the next password only has to be set. The plugin cuts off connected clients, without the
  // last will.
  if (choice === undefined) {
    const open = held.client && held.client.disabled !== true;
    const outcome = wanted.valid.length > 0 ? 'unknown' : open ? 'shut_out' : 'unchanged';
    return { outcome, commands: open ? [{ command: 'disableClient', username }] : [] };
  }
  const acls = aclsOf({ kind: 'device', tenant: wanted.tenant, node: wanted.node });
  const role =
    held.acls === undefined
      ? [{ command: 'createRole', rolename, acls }]
      : sameRights(held.acls, acls)
        ? []
        : [{ command: 'modifyRole', rolename, acls }];
  const roles = [{ rolename }];
  if (!held.client) {
    return {
      outcome: 'admitted',
      commands: [
        ...role,
        { command: 'createClient', username, password: choice.password, textdescription: markOf(choice.id), roles },
      ],
    };
  }
  const isNew = choice.password !== undefined;
  const lacksRole = held.client.roles.length !== 1 || held.client.roles[0]?.rolename !== rolename;
  const change =
    isNew || lacksRole
      ? [
          {
            command: 'modifyClient',
            username,
            roles,
            ...(isNew ? { password: choice.password, textdescription: markOf(choice.id) } : {}),
          },
        ]
      : [];
  const enable = held.client.disabled === true ? [{ command: 'enableClient', username }] : [];
  const commands = [...role, ...change, ...enable];
  return { outcome: change.length + enable.length > 0 ? 'admitted' : 'unchanged', commands };
}

/**
 * The one in force stays as long as it is valid; else the oldest that can be told. Without a password: nothing needs to
 * be told.
 */
function choose(valid: readonly ValidPassword[], { client }: Held): { id: string; password?: string } | undefined {
  const inForce = valid.find((one) => client?.textdescription === markOf(one.id));
  if (inForce) return { id: inForce.id };
  for (const one of valid) {
    const password = one.reveal();
    if (password !== undefined) return { id: one.id, password };
  }
  return undefined;
}

function sameRights(held: readonly Acl[], wanted: readonly Acl[]): boolean {
  const printed = (acls: readonly Acl[]) =>
    acls
      .map((acl) => `${acl.acltype} ${acl.topic} ${acl.allow}`)
      .sort()
      .join('\n');
  return printed(held) === printed(wanted);
}

function nameOf({ tenant, node }: { tenant: string; node: string }): string {
  return `${tenant}/${node}`;
}

function markOf(credentialId: string): string {
  return `Slipway credential ${credentialId}`;
}
