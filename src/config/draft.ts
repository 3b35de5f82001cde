/**
 * A new configuration file as text: what its author gave, each key with what it is for, and every other option as a comment
 * with its default. Made from the schema, so that it says what the reference says. Pure.
 */
import { z } from 'zod';
import type { SchemaNode } from './schema-tree.ts';
import { unwrap, walkSchema } from './schema-tree.ts';

export type SecretPlace = { readonly env: string } | { readonly file: string };

export interface DraftMember {
  readonly id: string;
  /** Without user and password. */
  readonly url: string;
  readonly weight?: number;
  readonly username?: string;
  readonly password?: SecretPlace;
  readonly tls?: { readonly mode: string };
}

/** What a first configuration says. */
export interface ConfigDraft {
  readonly cluster: string;
  readonly username?: string;
  readonly password?: SecretPlace;
  readonly members: readonly DraftMember[];
  readonly clients: readonly (string | { readonly name: string; readonly password: SecretPlace })[];
  readonly listen: { readonly postgres: string; readonly admin?: string };
  readonly state: string;
  readonly balancer?: string;
  readonly source?: string;
  /** At the head of the file, a comment each. */
  readonly notes: readonly string[];
}

const WIDTH = 100;

export function renderDraft(draft: ConfigDraft): string {
  const { notes, members, ...keys } = draft;
  const given: Readonly<Record<string, unknown>> = { dialect: 'postgres', ...keys, members };
  const blocks = [...topLevel()].map(({ key, node }) =>
    [
      ...comment(textOf(node)),
      ...(key === 'members' ? memberLines(members) : keyLines(key, node, given[key])),
    ].join('\n'),
  );
  return `${[head(notes), ...blocks].join('\n\n')}\n`;
}

function head(notes: readonly string[]): string {
  const introduction =
    'A Lockstep cluster. `lockstep config check` proves this file, `lockstep serve` runs it. What is commented out is the default; `lockstep reload` and SIGHUP take over what is changed here.';
  return [...comment(introduction), ...notes.flatMap((note) => ['#', ...comment(note)])].join('\n');
}

function* topLevel(): Generator<{ readonly key: string; readonly node: SchemaNode }> {
  for (const { path, node } of walkSchema()) {
    const [key] = path;
    if (path.length === 1 && key !== undefined) yield { key, node };
  }
}

function textOf({ option, section }: SchemaNode): string {
  const allowed = option === undefined ? '' : ` Allowed: ${option.allowed}.`;
  return `${option?.text ?? section?.text ?? ''}${allowed}`;
}

function memberLines(members: readonly DraftMember[]): readonly string[] {
  return ['members:', ...members.map((member) => `  - ${flow(member)}`)];
}

function keyLines(key: string, node: SchemaNode, value: unknown): readonly string[] {
  const inner = Array.isArray(value) ? undefined : innerKeys(node);
  if (inner !== undefined) return sectionLines(key, inner, value as Readonly<Record<string, unknown>>);
  if (value === undefined) return [`# ${key}:${exampleOf(node)}`];
  if (Array.isArray(value)) {
    return value.length === 0 ? [`${key}: []`] : [`${key}:`, ...value.map((item) => `  - ${flow(item)}`)];
  }
  return [`${key}: ${flow(value)}`];
}

function sectionLines(
  key: string,
  inner: ReadonlyMap<string, SchemaNode>,
  value: Readonly<Record<string, unknown>> | undefined,
): readonly string[] {
  const lines = [...inner].flatMap(([name, node]) => {
    const own = value?.[name];
    const further = own === undefined ? innerKeys(node) : undefined;
    if (further !== undefined) return [...comment(textOf(node)), ...unmarked(name, further, value)];
    const option =
      own === undefined
        ? `${value === undefined ? '' : '# '}${name}:${exampleOf(node)}`
        : `${name}: ${flow(own)}`;
    return [...comment(textOf(node)), option];
  });
  // What is commented out as a whole is good as it stands when its marks are taken off.
  const mark = value === undefined ? '# ' : '';
  return [`${mark}${key}:`, ...lines.map((line) => `${mark}  ${line}`)];
}

/** A section inside of another, marked only when the other is not marked as a whole. */
function unmarked(
  key: string,
  inner: ReadonlyMap<string, SchemaNode>,
  around: Readonly<Record<string, unknown>> | undefined,
): readonly string[] {
  const lines = sectionLines(key, inner, undefined);
  return around === undefined ? lines.map((line) => line.replace(/^# /, '')) : lines;
}

/** Of a section that is no list. */
function innerKeys({ schema }: SchemaNode): ReadonlyMap<string, SchemaNode> | undefined {
  if (!(schema instanceof z.ZodObject)) return undefined;
  return new Map(Object.entries(schema.shape).map(([key, inner]) => [key, unwrap(inner as z.core.$ZodType)]));
}

/** The default as it would be written; nothing where there is none. */
function exampleOf({ option }: SchemaNode): string {
  const text = option?.default ?? '';
  return /^[A-Za-z0-9-]+( [KMG]iB)?$/.test(text) && !['required', 'none'].includes(text) ? ` ${text}` : '';
}

function comment(text: string): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + word.length + 3 > WIDTH) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].map((one) => `# ${one}`.trimEnd());
}

/** One value in one line: words as they are, anything else as JSON, which is YAML too. */
function flow(value: unknown): string {
  if (typeof value === 'object' && value !== null) {
    const pairs = Object.entries(value).map(([key, inner]) => `${key}: ${flow(inner)}`);
    return `{ ${pairs.join(', ')} }`;
  }
  const plain =
    typeof value === 'string' && /^[A-Za-z_./][A-Za-z0-9_./-]*$/.test(value) && !WORDS.test(value);
  return plain ? value : JSON.stringify(value);
}

/** What YAML does not take for text. */
const WORDS = /^(?:true|false|null|yes|no|on|off|y|n|\.inf|\.nan|\.)$/i;
