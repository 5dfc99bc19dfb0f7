import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { Provider, type Configuration, type Context } from 'oidc-provider';
import * as client from 'openid-client';

/** The client of the command line and of the dashboard, which keeps no secret. */
export const CLIENT_ID = 'slipway';
/** As the provider knows this service, another one that it issues tokens for too, and one that is the client itself. */
export const SERVICES = {
  'https://slipway.example': 'slipway-api',
  'https://another.example': 'another-api',
  'https://client.example': CLIENT_ID,
  // Of a dashboard, which names it as the resource that its token is for (RFC 8707).
  'https://dashboard.example': 'https://dashboard.example',
  // The command line names a service by its audience, where that is an address.
  'https://audience.example': 'https://audience.example',
} as const;
export type Service = keyof typeof SERVICES;
export const REDIRECT = 'http://127.0.0.1/callback';
/** Of the dashboard, at whichever port it is served: RFC 8252 §7.3. */
const DASHBOARD_REDIRECT = 'http://127.0.0.1/sign-in';
/** For one answer of the provider, on a busy machine: nothing here waits for longer. */
const ANSWER_MS = 15_000;
/** For a whole sign-in by device code, which is polled for. */
const SIGN_IN_MS = 20_000;
/** More are a circle. */
const REDIRECTS = 10;
const SCOPES = 'devicetypes:read devicetypes:write';
/** The service still takes a token for so long after its end (api/auth/operator-tokens.ts). */
const TOLERATED_S = 60;
/** What is said of each person in its tokens: `<person>@<tenant>`. */
const claimsOf = (account: string) => ({ tenant: account.split('@')[1], roles: ['owner'] });

async function newKey(kid: string): Promise<JWK> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  return { ...(await exportJWK(privateKey)), kid, alg: 'RS256', use: 'sig' };
}

/**
 * A real OpenID Connect provider (`oidc-provider`) on loopback, where everybody is let in: a browser says who it is by
 * its login. Its keys are rotated as a provider does it: the new one signs, the old ones are still published.
 */
export class IdentityProvider {
  /** How often its keys were fetched. */
  keyRequests = 0;
  private keys: JWK[] = [];
  private provider!: Provider;
  private rotations = 0;
  /** Who logs in next: `<person>@<tenant>`. */
  account = '';
  /** The service takes access tokens that are issued from now on for so many seconds; undefined = as long as they say. */
  takenSeconds: number | undefined;

  private constructor(
    private readonly server: Server,
    readonly issuer: string,
  ) {}

  static async start(): Promise<IdentityProvider> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const one = new IdentityProvider(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    await one.rotate();
    server.on('request', (request, response) => {
      one.answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
    });
    return one;
  }

  /** From now on another key signs. */
  async rotate(): Promise<void> {
    this.keys = [await newKey(`${this.issuer}#${(this.rotations += 1)}`), ...this.keys];
    this.provider = new Provider(
      this.issuer,
      configuration(this.keys, () => this.takenSeconds),
    );
  }

  /** What a client finds out about it. */
  client(): Promise<client.Configuration> {
    const execute = [client.allowInsecureRequests];
    return client.discovery(new URL(this.issuer), CLIENT_ID, undefined, client.None(), { execute });
  }

  /** The command line: a code is shown, and the person enters it in a browser. */
  async byDeviceCode(account: string, service: Service = 'https://slipway.example'): Promise<Tokens> {
    const config = await this.client();
    const started = await client.initiateDeviceAuthorization(config, { scope: `openid ${SCOPES}`, resource: service });
    this.account = account;
    const signal = AbortSignal.timeout(SIGN_IN_MS);
    const polled = client.pollDeviceAuthorizationGrant(config, { ...started, interval: 1 }, undefined, { signal });
    const [tokens] = await Promise.all([
      polled,
      this.confirmInBrowser(started.verification_uri_complete ?? started.verification_uri),
    ]);
    return tokensOf(tokens);
  }

  /** A person opens the address that a client shows, and confirms the code that it holds. */
  async confirmDevice(address: string, account: string): Promise<void> {
    this.account = account;
    await this.confirmInBrowser(address);
  }

  private async confirmInBrowser(address: string): Promise<void> {
    const browser = new Browser();
    const asked = await browser.get(address);
    const confirmed = await browser.submit(asked);
    await browser.submit(confirmed);
  }

  /** The dashboard: an authorization code with PKCE. */
  async byCode(account: string, service: Service = 'https://slipway.example'): Promise<Tokens> {
    const config = await this.client();
    const [pkceCodeVerifier, expectedState] = [client.randomPKCECodeVerifier(), client.randomState()];
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: REDIRECT,
      scope: `openid ${SCOPES}`,
      resource: service,
      state: expectedState,
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
    });
    this.account = account;
    const { url: back } = await new Browser().get(url.href);
    return tokensOf(await client.authorizationCodeGrant(config, new URL(back), { pkceCodeVerifier, expectedState }));
  }

  /** Another pair of tokens; the old refresh token is used up. */
  async refresh(refreshToken: string): Promise<Tokens> {
    return tokensOf(await client.refreshTokenGrant(await this.client(), refreshToken));
  }

  async end(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url?.startsWith('/jwks')) this.keyRequests += 1;
    if (!request.url?.startsWith('/interaction/')) return this.provider.callback()(request, response);
    // A client without a secret is never let in by an earlier consent alone.
    const result = { login: { accountId: this.account }, consent: {} };
    await this.provider.interactionFinished(request, response, result);
  }
}

/** What a client gets. */
export interface Tokens {
  readonly access: string;
  readonly id: string;
  readonly refresh: string;
}

function tokensOf(answer: client.TokenEndpointResponse): Tokens {
  const { access_token: access, id_token: id = '', refresh_token: refresh = '' } = answer;
  return { access, id, refresh };
}

function configuration(keys: readonly JWK[], takenSeconds: () => number | undefined): Configuration {
  return {
    jwks: { keys: keys.map((key) => ({ ...key })) },
    cookies: { keys: ['only-a-test'] },
    clients: [
      {
        client_id: CLIENT_ID,
        token_endpoint_auth_method: 'none',
        application_type: 'native',
        grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
        redirect_uris: [REDIRECT, DASHBOARD_REDIRECT],
        response_types: ['code'],
      },
    ],
    features: {
      devInteractions: { enabled: false },
      deviceFlow: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_context: Context, resource: string) => ({
          scope: SCOPES,
          audience: SERVICES[resource as Service],
          accessTokenFormat: 'jwt',
          accessTokenTTL: 600,
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
    formats: {
      customizers: {
        jwt: (_context: Context, _token: unknown, { payload }: { payload: { iat: number; exp: number } }) => {
          const seconds = takenSeconds();
          if (seconds !== undefined) payload.exp = payload.iat + seconds - TOLERATED_S;
        },
      },
    },
    // The dashboard asks for its token from its own origin.
    clientBasedCORS: (_context: Context, origin: string) => new URL(origin).hostname === '127.0.0.1',
    interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
    findAccount: (_context, sub) => ({ accountId: sub, claims: () => ({ sub, ...claimsOf(sub) }) }),
    claims: { openid: ['sub', 'tenant', 'roles'] },
    // Also in ID tokens: what is said of the person must not be what tells them from access tokens.
    conformIdTokenClaims: false,
    extraTokenClaims: (_context, token) => (token.accountId === undefined ? undefined : claimsOf(token.accountId)),
    issueRefreshToken: () => true,
    rotateRefreshToken: true,
    ttl: { RefreshToken: 3_600, IdToken: 600, Session: 600, Grant: 3_600, Interaction: 600, DeviceCode: 600 },
    // Consent is given beforehand, for everything.
    loadExistingGrant: async (context) => {
      const { client: asking, session, provider } = context.oidc;
      const grant = new provider.Grant({ clientId: asking.clientId, accountId: session.accountId });
      grant.addOIDCScope('openid');
      for (const service of Object.keys(SERVICES)) grant.addResourceScope(service, SCOPES);
      await grant.save();
      return grant;
    },
  };
}

interface Page {
  readonly url: string;
  readonly body: string;
}

/** As much of a browser as a login needs: cookies, redirects, and forms that are sent as they are. */
class Browser {
  private readonly cookies = new Map<string, string>();

  async get(url: string, form?: URLSearchParams, redirects = REDIRECTS): Promise<Page> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const sent = form === undefined ? {} : { method: 'POST', body: form };
    const signal = AbortSignal.timeout(ANSWER_MS);
    const response = await fetch(url, { ...sent, headers: { cookie }, redirect: 'manual', signal });
    for (const set of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
      if (value === '') this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    const body = await response.text();
    if (response.status >= 400) throw new Error(`${url} answers ${response.status}: ${body.slice(0, 500)}`);
    const to = response.headers.get('location');
    if (to === null) return { url, body };
    const next = new URL(to, url).href;
    if (next.startsWith(REDIRECT)) return { url: next, body: '' };
    if (redirects === 0) throw new Error(`${url} redirects in a circle`);
    return this.get(next, undefined, redirects - 1);
  }

  /** Sends the form of the page. */
  submit({ url, body }: Page): Promise<Page> {
    const [, action] = /<form[^>]* action="([^"]*)"/.exec(body) ?? [];
    if (action === undefined) throw new Error(`${url} shows no form: ${body.slice(0, 500)}`);
    const fields = [...body.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)];
    return this.get(
      new URL(action, url).href,
      new URLSearchParams(fields.map(([, name, value]): [string, string] => [name!, value!])),
    );
  }
}
