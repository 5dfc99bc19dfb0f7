type Json = Record<string, unknown>;

/** Says that an answer is that of an earlier request. */
export const REPLAYED_HEADER = 'Idempotent-Replayed';
/** Where an answer stands that operations share. */
const PLACE = '#/components/responses/';

/** Where one answer of an operation stands, and its status. */
interface Answer {
  readonly responses: Json;
  readonly status: string;
  readonly response: Json;
}

/**
 * Moves what operations answer alike into `components.responses`: every error under its code, and what several
 * operations answer when they work under the name of what it holds. An operation that says more of its answer does so
 * beside the reference (OpenAPI 3.1, "Reference Object"). Without this, repeated errors are two thirds of the document.
 * @param paths of the document; changed in place
 * @returns `components.responses`
 */
export function shareAnswers(paths: Readonly<Record<string, Json>>): Json {
  const found = Object.values(paths)
    .flatMap((methods) => Object.values(methods) as { responses: Record<string, Json> }[])
    .flatMap(({ responses }) =>
      Object.entries(responses).map(([status, response]): Answer => ({ responses, status, response })),
    );
  const alike = new Map<string, Answer[]>();
  for (const one of found) {
    const key = keyOf(one.response);
    alike.set(key, [...(alike.get(key) ?? []), one]);
  }
  const shared: Json = {};
  for (const answers of alike.values()) {
    const [first, second] = answers;
    if (!first || (!second && !isProblem(first.response))) continue;
    const name = nameOf(first, answers.length);
    if (name === undefined) continue;
    const free = freeName(name, shared);
    for (const { response } of answers) withoutName(response);
    const whole = answers.find(({ response }) => 'headers' in response)?.response ?? first.response;
    const description = mostFrequent(answers.map(({ response }) => response['description']));
    shared[free] = { ...first.response, ...whole, description };
    for (const { responses, status, response } of answers)
      responses[status] = {
        $ref: `${PLACE}${free}`,
        ...(response['description'] === description ? {} : { description: response['description'] }),
      };
  }
  return Object.fromEntries(Object.entries(shared).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * What two answers must have in common: all but their description, and the header that is there only where a request
 * with an Idempotency-Key came again: with it apart, each resource that can be created would stand here twice.
 */
function keyOf({ content, headers }: Json): string {
  return JSON.stringify([content, Object.entries(headers ?? {}).filter(([name]) => name !== REPLAYED_HEADER)]);
}

/** An error that so many operations give is referred to by its status: the names alone would be 13 kB. */
const MOST_HAVE_IT = 30;

/** Errors stand there even where one operation alone gives them: their examples, which only name them, are left out. */
function isProblem({ content }: Json): boolean {
  return 'application/problem+json' in ((content ?? {}) as Json);
}

/** What named an error goes: its code stands in the name now, and an example of each would be 8 kB. */
function withoutName({ content }: Json): void {
  delete (content as Record<string, Json> | undefined)?.['application/problem+json']?.['example'];
}

/** The code of an error, the schema of a success, or that it is bytes; undefined where an answer has none of them. */
function nameOf({ status, response: { content } }: Answer, uses: number): string | undefined {
  if (content !== undefined && '*/*' in (content as Json)) return 'Bytes';
  const { 'application/problem+json': problem, 'application/json': json } = (content ?? {}) as Record<
    string,
    { schema: Json; example?: Json } | undefined
  >;
  if (problem)
    return uses < MOST_HAVE_IT && !status.endsWith('XX') ? String(problem.example?.['errorCode']) : `E${status}`;
  const { data, meta } = (json?.schema['properties'] ?? {}) as Record<string, Json | undefined>;
  const item = meta ? (data?.['items'] as Json | undefined) : data;
  const reference = item?.['$ref'];
  if (typeof reference !== 'string') return undefined;
  return `${reference.slice(reference.lastIndexOf('/') + 1)}${meta ? 'Page' : ''}`;
}

/** The first of those that stand there most often. */
function mostFrequent(values: readonly unknown[]): unknown {
  const times = new Map<unknown, number>();
  for (const value of values) times.set(value, (times.get(value) ?? 0) + 1);
  return [...times].reduce((most, one) => (one[1] > most[1] ? one : most))[0];
}

/** The same content has several answers where headers differ. */
function freeName(name: string, taken: Json): string {
  if (!Object.hasOwn(taken, name)) return name;
  for (let next = 2; ; next += 1) if (!Object.hasOwn(taken, `${name}_${next}`)) return `${name}_${next}`;
}

/** What an operation takes, as the document writes it. */
interface Parameter extends Json {
  readonly name: string;
  readonly in: string;
}

/** Shorter ones cost less than what refers to them. */
const WORTH_SHARING = 80;

/**
 * Moves parameters that several operations have into `components.parameters`, under their own name: an id has a long
 * pattern, and lists are paged alike.
 * @param paths of the document; changed in place
 * @returns what they are by name
 */
export function shareParameters(paths: Readonly<Record<string, Json>>): Json {
  const operations = Object.values(paths).flatMap(
    (methods) => Object.values(methods) as { parameters?: (Parameter | Json)[] }[],
  );
  const seen = new Map<string, number>();
  for (const { parameters = [] } of operations)
    for (const key of parameters.map((one) => JSON.stringify(one))) seen.set(key, (seen.get(key) ?? 0) + 1);
  const shared: Json = {};
  const names = new Map<string, string>();
  for (const [key, times] of seen) {
    if (times < 2 || key.length < WORTH_SHARING) continue;
    const parameter = JSON.parse(key) as Parameter;
    const name = freeName(parameter.name, shared);
    names.set(key, name);
    shared[name] = parameter;
  }
  for (const operation of operations)
    if (operation.parameters !== undefined)
      operation.parameters = operation.parameters.map((one) => {
        const name = names.get(JSON.stringify(one));
        return name === undefined ? one : { $ref: `#/components/parameters/${name}` };
      });
  return shared;
}
