import type { Permission } from '../../domain/permissions.js';

/** A page of its own. `needs`: only those who hold it are led there, because it is no part of their work. */
interface Place {
  readonly to: string;
  readonly words: string;
  readonly needs?: Permission;
}

/** The pages that the navigation names, in the order of a day's work. */
export const PLACES: readonly Place[] = [
  { to: '/', words: 'Overview' },
  { to: '/devices', words: 'Devices' },
  { to: '/gateways', words: 'Gateways' },
  { to: '/rollouts', words: 'Rollouts' },
  { to: '/approvals', words: 'Approvals' },
  { to: '/jobs', words: 'Jobs' },
  { to: '/artifacts', words: 'Artifacts' },
  { to: '/types', words: 'Device types' },
  { to: '/templates', words: 'Templates' },
  { to: '/enrolments', words: 'Enrolments' },
  { to: '/webhooks', words: 'Webhooks' },
  { to: '/keys', words: 'API keys' },
  { to: '/audit', words: 'Audit' },
  { to: '/settings', words: 'Settings' },
  { to: '/tenants', words: 'Tenants', needs: 'tenants:read' },
];
