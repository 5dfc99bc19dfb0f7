import { answers, refresh, type Topic } from '../service/queries.js';
import { lost, reached } from '../service/reach.js';
import { expire } from '../service/session.js';
import type { HistoryEvent } from '../service/types.js';
import { listenTo } from './connection.js';

/** A thing that one looks at follows within a second. */
const THING_MS = 1_000;
/** Lists and counts of a busy fleet change with every event: often enough for people, and never a load. */
const LIST_MS = 10_000;
/** The first change of a quiet list is shown soon. */
const SOON_MS = 400;

const LISTS = ['devices', 'installations', 'rollouts', 'summary', 'events'] as const satisfies readonly Topic[];
type ListTopic = (typeof LISTS)[number];

type Listener = (events: readonly HistoryEvent[]) => void;
const listeners = new Set<Listener>();

/** Hears every event of the tenant, for what a page changes by itself. @returns the function that ends it */
export function onEvents(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Keeps the answers of this tab fresh by the events of the service. @returns the function that ends it */
export function keepFresh(token: string): () => void {
  const waiting = new Set<Topic>();
  const due = new Map<'things' | 'lists', ReturnType<typeof setTimeout>>();
  const last = { things: -Infinity, lists: -Infinity };

  const send = (kind: 'things' | 'lists'): void => {
    due.delete(kind);
    last[kind] = performance.now();
    const topics = [...waiting].filter((topic) => isList(topic) === (kind === 'lists'));
    for (const topic of topics) waiting.delete(topic);
    void refresh(topics);
  };
  const plan = (kind: 'things' | 'lists', spacing: number): void => {
    if (due.has(kind)) return;
    const wait = Math.max(SOON_MS, last[kind] + spacing - performance.now());
    due.set(
      kind,
      setTimeout(() => send(kind), wait),
    );
  };

  const end = listenTo(token, (news) => {
    switch (news.say) {
      case 'events': {
        for (const listener of [...listeners]) listener(news.events);
        for (const event of news.events) for (const topic of topicsOf(event)) waiting.add(topic);
        plan('things', THING_MS);
        plan('lists', LIST_MS);
        return;
      }
      case 'open':
        reached();
        // What happened before it opened was told to no one: everything on the page is asked for once.
        if (!news.resumed) void answers.invalidateQueries();
        return;
      case 'away':
        return lost();
      case 'refused':
        if (news.status === 401) expire(token, 'The service takes this sign-in no longer.');
    }
  });
  return () => {
    end();
    for (const timer of due.values()) clearTimeout(timer);
  };
}

function isList(topic: Topic): topic is ListTopic {
  return (LISTS as readonly string[]).includes(topic);
}

function topicsOf({ deviceId, installationId, rolloutId }: HistoryEvent): Topic[] {
  return [
    'summary',
    'events',
    ...(deviceId === undefined ? [] : (['devices', `device:${deviceId}`] as const)),
    ...(installationId === undefined ? [] : (['installations', `installation:${installationId}`] as const)),
    ...(rolloutId === undefined ? [] : (['rollouts', `rollout:${rolloutId}`] as const)),
  ];
}
