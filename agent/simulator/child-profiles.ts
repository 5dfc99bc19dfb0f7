import type { Profile } from './profile.js';

/** Devices without a connection of their own: their gateway acts for them. */
export const CHILD_PROFILES = {
  child: {
    name: 'child',
    expected: {
      state: 'installed',
      because: 'its gateway fetches the file once for all of its children and pushes it',
    },
    behave: () => ({}),
  },

  unreachableChild: {
    name: 'unreachableChild',
    expected: {
      state: 'installed',
      because: 'its gateway does not reach it at first, reports CHILD_UNREACHABLE, and reaches it at the next attempt',
    },
    behave: (control) => {
      let isAway = true;
      return {
        reachable: () => !isAway,
        async at(point) {
          if (point !== 'ended' || !isAway) return;
          isAway = false;
          control.note('back', 'the child is within reach again');
        },
      };
    },
  },
} as const satisfies Record<string, Profile>;

/** A key of `CHILD_PROFILES`, each of which says how the child behaves and how its installation must end. */
export type ChildProfileName = keyof typeof CHILD_PROFILES;
