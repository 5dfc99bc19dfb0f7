// HEALTHCHECK of the image: whether the process of this container answers GET /health/live. An API does so on its own
// port, a bridge and an orchestrator on the probe port; in one container only one of them listens.
const ports = [process.env.SLIPWAY_HTTP_PORT || '8080', process.env.SLIPWAY_PROBE_PORT];
const answers = await Promise.allSettled(
  ports.filter(Boolean).map(async (port) => {
    const { ok } = await fetch(`http://127.0.0.1:${port}/health/live`, { signal: AbortSignal.timeout(2_000) });
    if (!ok) throw new Error(`port ${port} does not answer with 200`);
  }),
);
process.exit(answers.some(({ status }) => status === 'fulfilled') ? 0 : 1);
