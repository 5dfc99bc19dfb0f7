import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CliError } from '../exit.js';

/** A name that a file of the folder, or a variable of the environment, has. */
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const IN_TEXT = /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

/**
 * The secrets that files name. Files hold their names only: a value is that of the environment's variable, or stands in
 * a file of the folder for secrets, into which a secret that the service makes is written. None is ever printed.
 */
export class Secrets {
  private readonly used = new Set<string>();

  /** @param folder `--secrets` */
  constructor(
    private readonly folder: string | undefined,
    private readonly env: NodeJS.ProcessEnv,
  ) {}

  /** @throws CliError usage, where it is nowhere */
  value(name: string): string {
    const value = this.env[name] ?? this.inFolder(name);
    if (value === undefined || value === '')
      throw new CliError(
        'usage',
        `There is no secret ${name}.`,
        `Set the variable ${name}, or name a folder that holds it as a file: --secrets FOLDER`,
      );
    this.used.add(value);
    return value;
  }

  /** A text in which `${NAME}` stands for a secret. */
  filled(text: string): string {
    return text.replaceAll(IN_TEXT, (_, name: string) => this.value(name));
  }

  /** Whether a secret that the service makes could be kept. */
  get canKeep(): boolean {
    return this.folder !== undefined;
  }

  /** Keeps a secret that the service made and shows once. @returns where */
  keep(name: string, value: string): string {
    this.used.add(value);
    if (this.folder === undefined) throw new CliError('usage', `There is no folder for the secret ${name}.`);
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    const path = join(this.folder, name);
    writeFileSync(path, `${value}\n`, { mode: 0o600 });
    return path;
  }

  /** A sentence without secrets: the API may repeat what it was sent. */
  hidden(text: string): string {
    let hidden = text;
    for (const value of this.used) hidden = hidden.replaceAll(value, '<secret>');
    return hidden;
  }

  private inFolder(name: string): string | undefined {
    if (this.folder === undefined || !NAME.test(name)) return undefined;
    try {
      return readFileSync(join(this.folder, name), 'utf8').trim();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }
}

/** Whether a document's member is the name of a secret. */
export function isSecretName(value: unknown): value is string {
  return typeof value === 'string' && NAME.test(value);
}
