# Slipway in a container. Two targets, for linux/amd64 and linux/arm64:
#
#   docker build -t slipway .                                     the processes: api, orchestrator, bridge, migrate
#   docker build -t slipway-all-in-one --target all-in-one .      with the embedded PostgreSQL: for trying
#
# docs/production.md says how to run it. BASE may be any image with glibc, Node 20.19 or newer at /usr/local/bin, and npm.
ARG BASE=docker.io/library/node:20.20.2-bookworm-slim

FROM ${BASE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY web/package.json web/
RUN npm ci --no-progress
COPY . .
RUN npm run --silent build && node deploy/image/prune.js dist

FROM ${BASE} AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY web/package.json web/
RUN npm ci --omit=dev --workspaces=false --no-progress && rm -rf web
COPY deploy/image/prune.js ./
RUN node prune.js packages && rm prune.js .npmrc package-lock.json

FROM packages AS service-packages
COPY deploy/image/prune.js ./
RUN node prune.js embedded && rm prune.js

FROM ${BASE} AS base
ENV NODE_ENV=production \
    SLIPWAY_DATA_DIR=/data \
    SLIPWAY_HTTP_HOST=0.0.0.0 \
    SLIPWAY_PROBE_HOST=0.0.0.0 \
    SLIPWAY_PROBE_PORT=9090
WORKDIR /app
COPY LICENSE NOTICE ./
COPY deploy/image/healthcheck.js deploy/image/certificates.js ./
COPY deploy/image/slipway deploy/image/slipway-admin /usr/local/bin/
COPY --from=build /app/dist dist
# By number: Kubernetes cannot check that a name is not root. /data holds what a process keeps on a disk; all else may be
# read-only, with a tmpfs on /tmp.
RUN mkdir /data && chown 10001:10001 /data
USER 10001:10001
VOLUME /data
EXPOSE 8080 9090
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["node", "/app/healthcheck.js"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["slipway"]

FROM base AS all-in-one
ENV SLIPWAY_MQTT_HOST=0.0.0.0
COPY --from=packages /app .
EXPOSE 1883
CMD ["up"]

# The last one is what `docker build` makes without --target.
FROM base AS service
COPY --from=service-packages /app .
CMD ["api"]
