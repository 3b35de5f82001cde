/** What the schema has to say about a file, each complaint in words for its author. */
import type { z } from 'zod';
import type { KeyPath } from './problem.ts';
import { showKey } from './problem.ts';
import { configSchema } from './schema.ts';
import type { FileOptions } from './schema.ts';
import { keysAt, schemaAt, walkSchema } from './schema-tree.ts';
import { closest } from './spelling.ts';

/** A problem before it is known where in the text it stands. */
export interface Complaint {
  readonly path: KeyPath;
  readonly message: string;
  readonly severity?: 'warning';
  /** The key is at fault, not its value. */
  readonly atKey?: boolean;
  readonly allowed?: string;
  readonly didYouMean?: string;
}

export interface ShapeCheck {
  readonly options?: FileOptions;
  readonly complaints: readonly Complaint[];
}

export function checkShape(given: unknown): ShapeCheck {
  const { value, complaints } = withClients(given);
  const result = configSchema.safeParse(value);
  if (result.success) return { options: result.data, complaints };
  return { complaints: result.error.issues.flatMap((issue) => complaintsOf(issue, value)) };
}

/** `users` is what `clients` was called: a file of that time means the same, but for `username`, which is not in it. */
function withClients(value: unknown): { readonly value: unknown; readonly complaints: readonly Complaint[] } {
  if (typeof value !== 'object' || value === null || !('users' in value) || 'clients' in value)
    return { value, complaints: [] };
  const { users, ...rest } = value;
  const message =
    'this is `clients` now, which lists everybody who may log in: call it so, and add the name of `username` if clients log in with it (docs/guide/upgrade.md)';
  return {
    value: { ...rest, clients: users },
    complaints: [{ path: ['users'], atKey: true, severity: 'warning', message }],
  };
}

function complaintsOf(issue: z.core.$ZodIssue, root: unknown): readonly Complaint[] {
  const path = issue.path.filter((part) => typeof part !== 'symbol');
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(path, key));
  const node = schemaAt(path);
  const keys = keysAt(path);
  const allowed =
    node?.option?.allowed ?? (keys.length > 0 ? `a section with the keys ${keys.join(', ')}` : undefined);
  const given = valueAt(root, path);
  return [
    {
      path,
      message: issue.code === 'custom' ? issue.message : wrongValue(given, node?.option?.secret === true),
      ...(allowed !== undefined && { allowed }),
    },
  ];
}

function wrongValue(given: unknown, secret: boolean): string {
  if (given === undefined) return 'is missing';
  if (given === null) return 'is empty';
  if (Array.isArray(given)) return given.length === 0 ? 'the list is empty' : 'a list is not allowed here';
  if (typeof given === 'object') return 'a section is not allowed here, or not with these keys';
  if (secret) return 'this is not allowed here';
  return `${JSON.stringify(given)} is not allowed here`;
}

/** Options that there were once, and what is to be done now. */
const RETIRED: Readonly<Record<string, string>> = {
  users: '`clients` is there: put under it who is still missing, and take this away',
};

function unknownKey(section: KeyPath, key: string): Complaint {
  const retired = section.length === 0 ? RETIRED[key] : undefined;
  if (retired !== undefined) return { path: [key], atKey: true, message: retired };
  const keys = keysAt(section);
  const didYouMean = closest(key, keys) ?? elsewhere(key);
  return {
    path: [...section, key],
    atKey: true,
    message: 'there is no such option',
    ...(didYouMean === undefined ? { allowed: keys.join(', ') } : { didYouMean }),
  };
}

/** The right option in the wrong place. */
function elsewhere(key: string): string | undefined {
  for (const { path } of walkSchema()) {
    if (path.length > 1 && path.at(-1) === key) return showKey(path);
  }
  return undefined;
}

function valueAt(root: unknown, path: KeyPath): unknown {
  let value = root;
  for (const part of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Readonly<Record<string | number, unknown>>)[part];
  }
  return value;
}
