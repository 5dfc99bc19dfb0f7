import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import './design/tokens.css';
import './design/base.css';
import './design/parts.css';
import './design/shares.css';
import './frame/frame.css';
import './pages/overview/overview.css';
import './pages/devices/devices.css';
import './pages/device/device.css';
import './pages/rollout/rollout.css';
import './pages/artifacts/artifacts.css';
import './pages/plan/plan.css';
import { router } from './router.js';
import { answers } from './service/queries.js';
import { currentSession, onSession, resume } from './service/session.js';

const place = document.getElementById('root');
if (!place) throw new Error('index.html has no element #root');

/**
 * Who signs out leaves nothing behind: here, before the page of the sign-in asks anything, whose question would be lost
 * otherwise. A new sign-in may see other things: what is on the page is asked for again.
 */
let token = '';
onSession(() => {
  const session = currentSession();
  if (session.state === 'none') answers.clear();
  if (session.state !== 'in' || session.token === token) return;
  token = session.token;
  void answers.resetQueries({ predicate: ({ state }) => state.status === 'error' });
  void answers.invalidateQueries();
});
if (location.pathname === '/sign-in') void import('./frame/oidc.js').then(({ comeBack }) => comeBack());
else void resume();

createRoot(place).render(
  <StrictMode>
    <QueryClientProvider client={answers}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
);
