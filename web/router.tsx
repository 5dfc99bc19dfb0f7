import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Link,
  type ErrorComponentProps,
} from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { Fault, Notice } from './design/notice.js';
import { PageOf } from './design/page.js';
import type { Search } from './design/url.js';
import { Frame, PageOnItsWay } from './frame/frame.js';

const root = createRootRoute({
  component: Frame,
  notFoundComponent: NotFound,
  validateSearch: (search: Record<string, unknown>): Search =>
    Object.fromEntries(Object.entries(search).map(([name, value]) => [name, String(value)])),
});

type Loaded = Parameters<typeof lazyRouteComponent<{ Page: () => ReactNode }, 'Page'>>[0];

/** Each page is a file of its own that is loaded when one goes there; it exports `Page`. */
function page<P extends string>(path: P, load: Loaded) {
  return createRoute({ getParentRoute: () => root, path, component: lazyRouteComponent(load, 'Page') });
}

const routes = [
  page('/', () => import('./pages/overview/page.js')),
  page('/devices', () => import('./pages/devices/page.js')),
  page('/devices/$deviceId', () => import('./pages/device/page.js')),
  page('/installations/$installationId', () => import('./pages/installation.js')),
  page('/gateways', () => import('./pages/gateways.js')),
  page('/rollouts', () => import('./pages/rollouts/page.js')),
  page('/rollouts/new', () => import('./pages/new-rollout/page.js')),
  page('/rollouts/$rolloutId', () => import('./pages/rollout/page.js')),
  page('/approvals', () => import('./pages/approvals/page.js')),
  page('/jobs', () => import('./pages/jobs.js')),
  page('/jobs/$jobId', () => import('./pages/job.js')),
  page('/artifacts', () => import('./pages/artifacts/page.js')),
  page('/artifacts/$firmwareId', () => import('./pages/artifact/page.js')),
  page('/types', () => import('./pages/types/page.js')),
  page('/types/$typeId', () => import('./pages/types/one.js')),
  page('/templates', () => import('./pages/templates.js')),
  page('/webhooks', () => import('./pages/webhooks/page.js')),
  page('/webhooks/$webhookId', () => import('./pages/webhooks/one.js')),
  page('/keys', () => import('./pages/keys/page.js')),
  page('/enrolments', () => import('./pages/enrolments/page.js')),
  page('/settings', () => import('./pages/settings/page.js')),
  page('/audit', () => import('./pages/audit.js')),
  page('/tenants', () => import('./pages/tenants/page.js')),
  page('/tenants/$tenantId', () => import('./pages/tenants/one.js')),
];

/** The addresses of the dashboard. Filters stand behind the `?` as plain text, so that they can be read and written. */
export const router = createRouter({
  routeTree: root.addChildren(routes),
  defaultPreload: 'intent',
  defaultPendingComponent: PageOnItsWay,
  defaultErrorComponent: Broken,
  scrollRestoration: true,
  parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
  stringifySearch(search) {
    const text = new URLSearchParams(search as Search).toString();
    return text === '' ? '' : `?${text}`;
  },
});

function NotFound(): ReactNode {
  return (
    <PageOf title="No such page">
      <Notice title="There is no page at this address">
        <p>
          It may be of another version of Slipway. <Link to="/">Go to the overview</Link>
        </p>
      </Notice>
    </PageOf>
  );
}

function Broken({ error, reset }: ErrorComponentProps): ReactNode {
  return <Fault error={error instanceof Error ? error : new Error(String(error))} again={reset} />;
}
