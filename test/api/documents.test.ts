import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../support/until.js';
import { startApi, type ApiUnderTest } from './api-under-test.js';

let api: ApiUnderTest;
beforeAll(async () => {
  api = await startApi('api_documents');
});
afterAll(() => api.close());

const withoutToken = { authorization: '' };

describe('the OpenAPI document', () => {
  it('needs no token, and is 3.1', async () => {
    const reply = await api.call('GET', '/openapi.json', undefined, withoutToken);
    expect(reply.status).toBe(200);
    expect(reply.body).toMatchObject({ openapi: '3.1.0', servers: [{ url: api.url }] });
  });

  it('has one beside it for what devices ask, which needs no token either', async () => {
    const reply = await api.call('GET', '/openapi-devices.json', undefined, withoutToken);
    expect([reply.status, reply.body.info.title]).toEqual([200, 'Slipway for devices']);
    expect(Object.keys(reply.body.components.securitySchemes as object)).toContain('bearer');
  });

  it('is under 300 kB: error answers that several operations give stand once, in components.responses', () => {
    const { document } = api.description;
    expect(JSON.stringify(document).length).toBeLessThan(300_000);
    const inline = Object.values(document.paths as Record<string, Record<string, { responses?: object }>>)
      .flatMap((methods) => Object.values(methods))
      .flatMap(({ responses }) => Object.entries(responses ?? {}))
      .filter(([status, response]) => /^[45]/.test(status) && !('$ref' in response))
      .map(([, response]) => JSON.stringify(response));
    expect(new Set(inline).size).toBe(inline.length);
    const shared = Object.keys(document.components.responses as object);
    expect(shared).toEqual(expect.arrayContaining(['E401', 'E5XX', 'DEVICE_NOT_FOUND']));
  });

  it('has every operation that docs/contracts/ names, and they name every one', () => {
    const { paths } = api.description.document as {
      paths: Record<string, Record<string, { operationId?: string; description?: string }>>;
    };
    const built = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods)
        .filter(([, { operationId }]) => operationId !== undefined)
        .map(([method]) => `${method.toUpperCase()} ${path}`),
    );
    const named = ['rest-api', 'rollouts', 'operators', 'trust'].flatMap((name) =>
      [...readFileSync(`docs/contracts/${name}.md`, 'utf8').matchAll(/^\| `([A-Z]+ \/\S+)`/gm)].map(([, one]) => one!),
    );
    expect(named.sort()).toEqual(built.sort());
  });

  it('describes every operation of the contract', () => {
    const paths = api.description.document.paths as Record<string, Record<string, unknown>>;
    const has = (method: string, path: string) =>
      paths[path.replaceAll(/\{\w+\}/g, '{}')]?.[method] ??
      Object.entries(paths).find(
        ([known]) => known.replaceAll(/\{\w+\}/g, '{}') === path.replaceAll(/\{\w+\}/g, '{}'),
      )?.[1][method];
    const contract: [string, string][] = [
      ['post', '/v1/firmwares'],
      ['get', '/v1/firmwares'],
      ['get', '/v1/firmwares/{}'],
      ['delete', '/v1/firmwares/{}'],
      ['post', '/v1/firmwares/{}/blob'],
      ['get', '/v1/firmwares/{}/blob'],
      ['post', '/v1/device-types'],
      ['get', '/v1/device-types'],
      ['get', '/v1/device-types/{}'],
      ['patch', '/v1/device-types/{}'],
      ['delete', '/v1/device-types/{}'],
      ['post', '/v1/device-types/{}/slots/{}/firmware-associations'],
      ['get', '/v1/device-types/{}/slots/{}/firmware-associations'],
      ['delete', '/v1/device-types/{}/slots/{}/firmware-associations/{}'],
      ['post', '/v1/devices'],
      ['get', '/v1/devices'],
      ['get', '/v1/devices/{}'],
      ['patch', '/v1/devices/{}'],
      ['delete', '/v1/devices/{}'],
      ['post', '/v1/devices/{}/certificates'],
      ['get', '/v1/devices/{}/certificates'],
      ['patch', '/v1/devices/{}/certificates/{}'],
      ['delete', '/v1/devices/{}/certificates/{}'],
      ['post', '/v1/devices/{}/credentials'],
      ['get', '/v1/devices/{}/credentials'],
      ['delete', '/v1/devices/{}/credentials/{}'],
      ['post', '/v1/devices/{}/firmware-installations'],
      ['get', '/v1/devices/{}/firmware-installations'],
      ['get', '/v1/devices/{}/firmware-installations/{}'],
      ['patch', '/v1/devices/{}/firmware-installations/{}'],
      ['get', '/v1/firmware-installations'],
      ['post', '/v1/devices/{}/firmware-installations/{}/cancel'],
      ['get', '/v1/devices/{}/slots'],
      ['get', '/v1/devices/{}/last-diagnostics'],
    ];
    expect(contract.filter(([method, path]) => !has(method, path))).toEqual([]);
  });

  it('has no reference that leads nowhere, no operation id twice, and only schemas that can be compiled', () => {
    const { document } = api.description;
    const text = JSON.stringify(document);
    for (const [, kind, name] of text.matchAll(/"#\/components\/(\w+)\/([^"]+)"/g))
      expect(Object.keys(document.components[kind!] as object)).toContain(name);
    expect(text).not.toContain('$defs');
    const ids = [...text.matchAll(/"operationId":"([^"]+)"/g)].map((match) => match[1]);
    expect(new Set(ids).size).toBe(ids.length);
    for (const name of Object.keys(document.components.schemas as object))
      expect(() => api.description.validator(`openapi#/components/schemas/${name}`)).not.toThrow();
  });

  it('shows an example of the body and of the main answer of every operation', () => {
    type Content = Record<string, { example?: unknown }>;
    const paths = api.description.document.paths as Record<
      string,
      Record<string, { requestBody?: { content: Content }; responses: Record<string, { content?: Content }> }>
    >;
    const without = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).flatMap(([method, { requestBody, responses }]) => {
        const main = Object.keys(responses)
          .filter((status) => status.startsWith('2') || status.startsWith('3'))
          .sort()[0]!;
        const answer = api.description.response(responses[main]!);
        const shown = Object.entries({ ...requestBody?.content, ...answer.content }).filter(
          ([type]) => type !== 'application/octet-stream' && type !== '*/*',
        );
        return shown.filter(([, { example }]) => example === undefined).map(([type]) => `${method} ${path} ${type}`);
      }),
    );
    expect(without).toEqual([]);
  });

  it('has examples that fit their schemas', () => {
    const { components, paths } = api.description.document as {
      components: { schemas: Record<string, { example?: unknown }> };
      paths: Record<
        string,
        Record<
          string,
          {
            requestBody?: { content: Record<string, { example?: unknown }> };
            responses: Record<string, { content?: Record<string, { example?: unknown }> }>;
          }
        >
      >;
    };
    for (const [name, { example }] of Object.entries(components.schemas)) {
      if (example === undefined) continue;
      const validate = api.description.validator(`openapi#/components/schemas/${name}`);
      expect([name, validate(example), validate.errors]).toEqual([name, true, null]);
    }
    for (const [path, methods] of Object.entries(paths)) {
      for (const [method, { requestBody, responses }] of Object.entries(methods)) {
        for (const [type, { example }] of Object.entries(requestBody?.content ?? {})) {
          if (example === undefined) continue;
          const validate = api.description.validator(
            `openapi#/paths/${path.replaceAll('~', '~0').replaceAll('/', '~1').replaceAll('{', '%7B').replaceAll('}', '%7D')}/${method}/requestBody/content/${type.replaceAll('/', '~1')}/schema`,
          );
          expect([path, method, validate(example), validate.errors]).toEqual([path, method, true, null]);
        }
        for (const [status, response] of Object.entries(responses)) {
          const { content = {} } = api.description.response(response);
          for (const [type, { example }] of Object.entries(content)) {
            if (example !== undefined)
              expect(() =>
                api.description.check(method.toUpperCase(), path, Number(status), type, example),
              ).not.toThrow();
          }
        }
      }
    }
  });
});

describe('the page of the API', () => {
  it('is served by the service itself, without a file from elsewhere', async () => {
    // What ran before kept this process busy for longer than an idle connection is kept: its end may be unread yet.
    const page = await until('it is served', () => fetch(`${api.url}/docs`));
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    const html = await page.text();
    expect(html).not.toMatch(/(src|href)="https?:/);
    for (const [, file] of html.matchAll(/(?:src|href)="\.?\/?([^"]+)"/g)) {
      const { status, body } = await fetch(`${api.url}/docs/${file}`);
      expect([file, status]).toEqual([file, 200]);
      await body?.cancel();
    }
    expect(await (await fetch(`${api.url}/docs/swagger-ui-init.js`)).text()).toContain('/openapi.json');
  });
});

describe('GET /', () => {
  it.each([
    ['text/html,application/xhtml+xml,*/*;q=0.8', 302],
    ['*/*', 302],
    ['application/json', 404],
    ['application/problem+json', 404],
  ])('with Accept: %s is %d', async (accept, status) => {
    const response = await fetch(`${api.url}/`, { headers: { accept }, redirect: 'manual' });
    await response.body?.cancel();
    expect([response.status, response.headers.get('location')]).toEqual([status, status === 302 ? '/docs/' : null]);
  });
});

describe('the health of the service', () => {
  it('is live as long as it answers', async () => {
    expect((await api.call('GET', '/health/live', undefined, withoutToken)).body).toEqual({ status: 'live' });
  });

  it('is measured for Prometheus: requests by their declared path, the outbox by receiver', async () => {
    await api.call('GET', '/v1/devices/0d8cba4e-0c43-4c1e-8a3f-7d3c2d0c9d01');
    const { status, headers, body } = await api.call('GET', '/metrics', undefined, withoutToken);
    expect([status, headers.get('content-type')]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
    expect(body).toContain(
      'slipway_http_request_duration_seconds_count{method="GET",path="/v1/devices/{id}",status="404"}',
    );
    expect(body).toContain('slipway_outbox_depth{receiver="document"} 0');
    expect(body).toContain('slipway_installations{state="scheduled"} 0');
    expect(body).toContain('slipway_database_up 1');
  });
});

describe('every answer', () => {
  it('hides the server software, and is not cacheable', async () => {
    const { headers } = await api.call('GET', '/v1/devices');
    expect([
      headers.get('x-powered-by'),
      headers.get('cache-control'),
      headers.get('x-content-type-options'),
      headers.get('etag'),
    ]).toEqual([null, 'no-store', 'nosniff', null]);
  });
});
