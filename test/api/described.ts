import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

type Json = ReturnType<typeof JSON.parse>;

/** What a client is told of an answer by the OpenAPI document; each answer that a test gets is held against it. */
export class Description {
  private readonly ajv = new Ajv2020({ strict: false, allErrors: true });
  private readonly compiled = new Map<string, ValidateFunction>();
  private readonly paths: { pattern: RegExp; template: string }[];

  constructor(readonly document: Json) {
    addFormats.default(this.ajv);
    this.ajv.addSchema({ ...document, $id: 'openapi' });
    this.paths = Object.keys(document.paths)
      .map((template) => ({
        template,
        pattern: new RegExp(`^${template.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}/?$`),
      }))
      .sort((a, b) => a.template.split('{').length - b.template.split('{').length);
  }

  /**
   * @throws where the answer is not one that the document describes. An operation that is not in it is described by
   * nothing.
   */
  check(method: string, path: string, status: number, contentType: string, body: unknown): void {
    const template = this.paths.find(({ pattern }) => pattern.test(path.split('?', 1)[0]!))?.template;
    const verb = method === 'HEAD' ? 'get' : method.toLowerCase();
    const operation = template === undefined ? undefined : this.document.paths[template][verb];
    if (!operation) return;
    const where = `${method} ${template} ${status}`;
    // The range stands for these two: any other server error is one that an operation has to name.
    const described = (status === 500 || status === 503) && !(status in operation.responses) ? '5XX' : String(status);
    const response = this.response<Json>(operation.responses[described]);
    if (!response)
      throw new Error(`${where} is not described; described are ${Object.keys(operation.responses).join(', ')}`);
    if (method === 'HEAD' || body === '') return;
    const type = contentType.split(';', 1)[0]!;
    if (!response.content?.[type] && !response.content?.['*/*'])
      throw new Error(`${where} has the content type ${type}, which is not described`);
    if (!/[/+]json$/.test(type)) return;
    const { $ref: shared } = operation.responses[described] as { $ref?: string };
    const place = shared?.split('/').slice(1) ?? ['paths', template!, verb, 'responses', described];
    const pointer = [...place, 'content', type, 'schema']
      .map((part) => part.replaceAll('~', '~0').replaceAll('/', '~1'))
      .join('/');
    const validate = this.validator(`openapi#/${encodeURI(pointer)}`);
    if (!validate(body))
      throw new Error(
        `${where} does not fit its schema: ${this.ajv.errorsText(validate.errors)}\n${JSON.stringify(body)}`,
      );
  }

  /** An answer of an operation, which may stand in `components.responses`. */
  response<T extends object | undefined>(answer: T): T {
    const { $ref: shared } = (answer ?? {}) as { $ref?: string };
    return shared === undefined ? answer : (this.document.components.responses[shared.split('/').at(-1)!] as T);
  }

  validator(reference: string): ValidateFunction {
    const known = this.compiled.get(reference) ?? this.ajv.compile({ $ref: reference });
    this.compiled.set(reference, known);
    return known;
  }
}
