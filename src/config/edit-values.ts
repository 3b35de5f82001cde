/**
 * Changes single values in the text of a configuration. Everything else stays as its author wrote it, byte for byte: the
 * text is cut and joined where the parser says a value stands, and taken only when nothing but what was meant has changed.
 */
import { isDeepStrictEqual } from 'node:util';
import { isMap, isScalar, isSeq, parse, parseDocument } from 'yaml';
import type { Node, Pair, YAMLMap } from 'yaml';
import type { EditFault } from './edit-members.ts';
import { showKey } from './problem.ts';
import type { KeyPath } from './problem.ts';

export interface ValueChange {
  readonly path: KeyPath;
  /** Null: the option is taken out, and has its default. */
  readonly value: unknown;
}

type Value = Readonly<Record<string, unknown>>;

export function withValues(text: string, changes: readonly ValueChange[]): string | EditFault {
  let edited = text;
  for (const change of changes) {
    const next = change.value === null ? withoutValue(edited, change.path) : withValue(edited, change);
    if (next === undefined || !isDeepStrictEqual(valueOf(next), changed(valueOf(edited), change)))
      return { fault: `${showKey(change.path)} is laid out in a way that is not changed by a program` };
    edited = next;
  }
  return edited;
}

/** `members[1].weight` → members, 1, weight */
export function parseKey(text: string): KeyPath {
  return text
    .replaceAll(/\[(\d+)\]/g, '.$1')
    .split('.')
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part));
}

interface Place {
  /** The innermost map on the way that is there. */
  readonly map: YAMLMap<Node, Node | null>;
  readonly pair: Pair<Node, Node | null> | undefined;
  /** What is left of the way, from the key in that map. */
  readonly rest: KeyPath;
}

function withValue(text: string, { path, value }: ValueChange): string | undefined {
  const place = findPlace(text, path);
  if (place === undefined) return undefined;
  const { map, pair, rest } = place;
  if (pair === undefined || rest.length > 1) {
    const [key, ...inner] = rest;
    const nested = inner.reduceRight<unknown>((within, name) => ({ [name]: within }), value);
    return pair === undefined ? withPair(text, map, `${String(key)}: ${flowText(nested)}`) : undefined;
  }
  const [start, end] = pair.value?.range ?? [];
  if (start === undefined || end === undefined) return undefined;
  // Of a list on lines of its own, the end of the last one belongs to what comes next.
  const stop = start + text.slice(start, end).trimEnd().length;
  const gap = text[start - 1] === ':' ? ' ' : '';
  return `${text.slice(0, start)}${gap}${flowText(value)}${text.slice(stop)}`;
}

function withPair(text: string, map: YAMLMap<Node, Node | null>, pair: string): string | undefined {
  const last = map.items.at(-1);
  const end = map.range?.[1];
  if (end === undefined) return undefined;
  if (map.flow === true) {
    const [lastEnd] = last === undefined ? [] : [endOf(last)];
    if (lastEnd === undefined) return `${text.slice(0, end - 1)} ${pair} ${text.slice(end - 1)}`;
    return `${text.slice(0, lastEnd)}, ${pair}${text.slice(lastEnd)}`;
  }
  const first = map.items[0]?.key.range?.[0];
  const lastEnd = last === undefined ? undefined : endOf(last);
  if (first === undefined || lastEnd === undefined) return undefined;
  const eol = text.includes('\r\n') ? '\r\n' : '\n';
  const indent = ' '.repeat(first - lineStart(text, first));
  const at = text[lastEnd - 1] === '\n' ? lastEnd : lineEnd(text, lastEnd);
  const joint = text[at - 1] === '\n' ? '' : eol;
  return `${text.slice(0, at)}${joint}${indent}${pair}${eol}${text.slice(at)}`;
}

/** A section that has nothing left goes as well. */
function withoutValue(text: string, path: KeyPath): string | undefined {
  const place = findPlace(text, path);
  if (place === undefined) return undefined;
  const { map, pair, rest } = place;
  if (pair === undefined || rest.length > 1) return text;
  if (map.items.length === 1 && path.length > 1 && typeof path.at(-2) === 'string')
    return withoutValue(text, path.slice(0, -1));
  const start = pair.key.range?.[0];
  const end = endOf(pair);
  if (start === undefined || end === undefined) return undefined;
  if (map.flow !== true) {
    const stop = text[end - 1] === '\n' ? end : lineEnd(text, end);
    return `${text.slice(0, lineStart(text, start))}${text.slice(stop)}`;
  }
  const after = /^\s*,\s*/.exec(text.slice(end))?.[0];
  if (after !== undefined) return `${text.slice(0, start)}${text.slice(end + after.length)}`;
  return `${text.slice(0, start).replace(/\s*,\s*$/, '')}${text.slice(end)}`;
}

function findPlace(text: string, path: KeyPath): Place | undefined {
  const document = parseDocument(text, { prettyErrors: false });
  if (document.errors.length > 0) return undefined;
  let node: unknown = document.contents;
  for (const [index, part] of path.entries()) {
    if (isSeq(node) && typeof part === 'number') {
      node = node.items[part];
      continue;
    }
    if (!isMap<Node, Node | null>(node)) return undefined;
    const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === part);
    const rest = path.slice(index);
    if (pair === undefined || rest.length === 1) return { map: node, pair, rest };
    node = pair.value;
  }
  return undefined;
}

function changed(value: Value, { path, value: wanted }: ValueChange): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return wanted;
  if (Array.isArray(value))
    return value.map((item: Value, place) =>
      place === key ? changed(item, { path: rest, value: wanted }) : item,
    );
  const { [key]: old, ...others } = value;
  if (rest.length === 0) return wanted === null ? others : { ...value, [key]: wanted };
  if (old === undefined && wanted === null) return value;
  const inner = changed((old ?? {}) as Value, { path: rest, value: wanted });
  const empty = !Array.isArray(inner) && Object.keys(inner as object).length === 0;
  return empty && wanted === null ? others : { ...value, [key]: inner };
}

function valueOf(text: string): Value {
  try {
    return (parse(text) ?? {}) as Value;
  } catch {
    return {};
  }
}

function flowText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flowText).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    const pairs = Object.entries(value).map(([key, inner]) => `${key}: ${flowText(inner)}`);
    return pairs.length === 0 ? '{}' : `{ ${pairs.join(', ')} }`;
  }
  if (typeof value !== 'string') return JSON.stringify(value);
  return /^[a-z0-9_/.-]+( (KiB|MiB|GiB))?$/i.test(value) && parse(value) === value
    ? value
    : JSON.stringify(value);
}

function endOf(pair: Pair<Node, Node | null>): number | undefined {
  return pair.value?.range?.[1] ?? pair.key.range?.[1];
}

function lineStart(text: string, at: number): number {
  return text.lastIndexOf('\n', at - 1) + 1;
}

/** Behind the end of the line, with the comment on it. */
function lineEnd(text: string, at: number): number {
  const end = text.indexOf('\n', at);
  return end === -1 ? text.length : end + 1;
}
