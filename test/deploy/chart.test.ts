import { existsSync, readdirSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parse, parseAllDocuments } from 'yaml';
import { readSettings, SETTING_NAMES } from '../../runtime/settings.js';
import { SECRETS } from '../../runtime/secret-files.js';
import { read } from '../repo/files.js';
import { run } from './programs.js';

const CHART = 'deploy/chart';
const VALUES = readdirSync(`${CHART}/ci`).map((file) => `${CHART}/ci/${file}`);
/** Read by the AWS SDK and by node. */
const OF_OTHERS = /^(AWS_|NODE_EXTRA_CA_CERTS$)/;

interface Container {
  env: { name: string; value: string }[];
  args: string[];
  securityContext: Record<string, unknown>;
  volumeMounts: { name: string }[];
}
interface PodSpec {
  enableServiceLinks?: boolean;
  automountServiceAccountToken?: boolean;
  terminationGracePeriodSeconds?: number;
  containers: Container[];
  volumes: { name: string; secret?: { items: { key: string }[] } }[];
}
interface Made {
  kind: string;
  metadata: { name: string; annotations?: Record<string, string> };
  spec: { template?: { spec: PodSpec }; groups?: unknown };
}

/** One that the chart is for; a helm that was built from its sources takes an old one for granted. */
const KUBERNETES = ['--kube-version', '1.33.0'];
const template = (...args: string[]) => run('helm', ['template', 'acme', CHART, ...KUBERNETES, ...args]);
/** What helm makes of a file of values. */
function made(values: string): { text: string; objects: Made[] } {
  const { status, said, printed } = template('--values', values);
  expect([values, status, status === 0 ? '' : said]).toEqual([values, 0, '']);
  const objects = parseAllDocuments(printed).map((document) => document.toJS() as Made | null);
  return { text: printed, objects: objects.filter((object): object is Made => object !== null) };
}
const podsOf = (objects: Made[]) =>
  objects.flatMap(({ kind, metadata: { name }, spec }) =>
    spec?.template ? [{ kind, name, pod: spec.template.spec }] : [],
  );

describe('The chart', () => {
  it('has four files of values, which helm finds no fault in', () => {
    expect(VALUES.map((path) => path.split('/').pop()).sort()).toEqual([
      'irsa.yaml',
      'minimal.yaml',
      'outside.yaml',
      'production.yaml',
    ]);
    const args = VALUES.map((path) => ['lint', '--strict', '--quiet', CHART, ...KUBERNETES, '--values', path]);
    expect(args.map((one) => run('helm', one)).filter(({ status }) => status !== 0)).toEqual([]);
  });

  it.each(VALUES)('makes with %s what Kubernetes takes', (values) => {
    // Of the Prometheus operator: Kubernetes has no schema for them.
    const own = made(values).objects.filter(({ kind }) => !['ServiceMonitor', 'PrometheusRule'].includes(kind));
    const text = own.map((object) => `---\n${JSON.stringify(object)}\n`).join('');
    expect(run('kubernetes-validate', ['--strict', '--quiet', '-'], text)).toMatchObject({ status: 0, said: '' });
    const wrong = text.replace('"enableServiceLinks"', '"enableServiceLink"');
    expect(run('kubernetes-validate', ['--strict', '--quiet', '-'], wrong).status).not.toBe(0);
  });

  it.each(VALUES)('makes with %s pods that are walled, and get settings that exist', (values) => {
    const pods = podsOf(made(values).objects);
    expect(pods.map(({ pod }) => pod.containers[0]!.args[0]).sort()).toEqual([
      'api',
      'bridge',
      'migrate',
      'orchestrator',
    ]);
    for (const { pod } of pods) {
      // Kubernetes would make SLIPWAY_…_PORT of the services, which no process would start with.
      expect(pod).toMatchObject({
        enableServiceLinks: false,
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      });
      const [{ env, args, securityContext, volumeMounts }] = pod.containers as [Container];
      expect(securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      const names = env.map(({ name }) => name);
      expect(names.filter((name) => !SETTING_NAMES.includes(name) && !OF_OTHERS.test(name))).toEqual([]);
      expect(new Set(names).size).toBe(names.length);
      expect(env.filter(({ name }) => (SECRETS as readonly string[]).includes(name) && name !== 'MQTT_URL')).toEqual(
        [],
      );
      expect(volumeMounts.map(({ name }) => name).sort()).toEqual(pod.volumes.map(({ name }) => name).sort());
      const files = pod.volumes.flatMap(({ secret }) => secret?.items ?? []).map(({ key }) => `/secrets/${key}`);
      expect(env.map(({ value }) => value).filter((value) => value.startsWith('/secrets/'))).toEqual(files);
      // A process starts with them; its secrets are files of the cluster.
      const started = env.map(({ name, value }) =>
        name.endsWith('_FILE') && value.startsWith('/secrets/') && !name.startsWith('AWS_')
          ? [
              name.replace(/_FILE$/, ''),
              name.includes('MQTT_URL') ? 'mqtts://broker' : 'postgres://a-long-secret/slipway',
            ]
          : [name, value],
      );
      expect(readSettings(Object.fromEntries(started) as Record<string, string>).unknown).toEqual([]);
      if (args[0] !== 'migrate') expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(15);
    }
  });

  it('runs the migrations before the processes', () => {
    for (const values of VALUES) {
      const job = made(values).objects.find(({ kind }) => kind === 'Job');
      expect(job?.metadata.annotations?.['helm.sh/hook']).toBe('pre-install,pre-upgrade');
    }
  });

  it('brings the alerts as they are, in a file that is a link', () => {
    const rule = made(`${CHART}/ci/production.yaml`).objects.find(({ kind }) => kind === 'PrometheusRule');
    expect(rule?.spec.groups).toEqual(
      (parse(read('deploy/prometheus/slipway.rules.yml')) as { groups: unknown }).groups,
    );
    expect(['slipway.rules.yml', 'dashboard.json'].filter((file) => !existsSync(`${CHART}/files/${file}`))).toEqual([]);
  });

  it('has all of its parts in production, and none of them twice', () => {
    const kinds = made(`${CHART}/ci/production.yaml`).objects.map(({ kind, metadata: { name } }) => `${kind} ${name}`);
    expect(new Set(kinds).size).toBe(kinds.length);
    for (const kind of ['Ingress', 'NetworkPolicy', 'PodDisruptionBudget', 'ServiceMonitor', 'ConfigMap', 'Service'])
      expect(kinds.join()).toContain(kind);
    const { text } = made(`${CHART}/ci/production.yaml`);
    for (const name of ['proxy-buffering', 'proxy-request-buffering'])
      expect(text).toMatch(new RegExp(`${name}: ['"]?off`));
  });

  it.each([
    ['no address', [], 'publicUrl is missing'],
    ['no place for keys', ['--set', 'data.claimName='], 'keys.secretName or data.claimName is missing'],
    ['a secret in clear', ['--set', 'settings.MQTT_PASSWORD=hunter2'], 'MQTT_PASSWORD'],
    ['a name that does not exist', ['--set', 'replicas=3'], 'replicas'],
    ['a drain that is too long', ['--set', 'api.drainSeconds=900'], 'drainSeconds'],
  ])('refuses values with %s', (_what, more, sentence) => {
    const args = more.length === 0 ? ['--set', 'data.claimName=x'] : ['--values', `${CHART}/ci/minimal.yaml`, ...more];
    const { status, said } = template(...args);
    expect([status, said]).toEqual([1, expect.stringContaining(sentence)]);
  });
});
