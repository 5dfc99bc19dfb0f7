/** The pages that the navigation names, in the order of a day's work. */
export const PLACES = [
  { to: '/', words: 'Overview' },
  { to: '/devices', words: 'Devices' },
  { to: '/gateways', words: 'Gateways' },
  { to: '/rollouts', words: 'Rollouts' },
  { to: '/approvals', words: 'Approvals' },
  { to: '/jobs', words: 'Jobs' },
] as const;
