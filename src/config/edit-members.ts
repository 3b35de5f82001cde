/**
 * Puts a member into the text of a configuration, or takes one out. Everything else stays as its author wrote it, byte
 * for byte: the text is cut and joined where the parser says the list stands, never written anew. Pure.
 */
import { isDeepStrictEqual } from 'node:util';
import { isMap, isScalar, isSeq, parse, parseDocument } from 'yaml';
import type { Node, YAMLSeq } from 'yaml';

/** A member as it is written in the file. */
export interface MemberEntry {
  readonly id: string;
  readonly url: string;
  readonly weight?: number;
  readonly username?: string;
  readonly password?: string | { readonly env: string } | { readonly file: string };
}

/** Why the text cannot be changed here, in words for its author. */
export interface EditFault {
  readonly fault: string;
}

/** At the end of the list, in the style of the member before it. */
export function withMember(text: string, entry: MemberEntry): string | EditFault {
  const list = findList(text);
  if ('fault' in list) return list;
  const last = list.items.at(-1);
  if (last === undefined) return { fault: 'the list of members is empty' };
  const edited = list.flow ? addToFlow(text, last, entry) : addToBlock(text, last, entry);
  return proven(text, edited, (members) => [...members, entry]);
}

/** With what stands on its own lines; a comment above them stays, because it may be about more than this member. */
export function withoutMember(text: string, id: string): string | EditFault {
  const list = findList(text);
  if ('fault' in list) return list;
  const index = list.items.findIndex(({ node }) => isMap(node) && node.get('id') === id);
  if (index === -1) return { fault: `there is no member ${id} in the list` };
  const edited = list.flow ? cutFromFlow(text, list.items, index) : cutFromBlock(text, list.items, index);
  return proven(text, edited, (members) => members.filter((_, place) => place !== index));
}

/** As it stands in the text, with every key that it has there. */
export function memberEntry(text: string, id: string): MemberEntry | undefined {
  const members = valueOf(text)?.['members'];
  if (!Array.isArray(members)) return undefined;
  return (members as readonly MemberEntry[]).find((member) => member.id === id);
}

/** The lines that an operator puts into the list by hand, who knows the password. */
export function showMember(entry: MemberEntry): string {
  const shown = typeof entry.password === 'string' ? { ...entry, password: '…' } : entry;
  return `  - ${flowText(shown, false)}`;
}

interface Item {
  readonly node: Node;
  /** Of the value itself. */
  readonly start: number;
  readonly end: number;
}

interface MemberList {
  readonly flow: boolean;
  readonly items: readonly Item[];
}

function findList(text: string): MemberList | EditFault {
  const document = parseDocument(text, { prettyErrors: false });
  if (document.errors.length > 0) return { fault: 'it is not YAML that can be read' };
  const found = isMap(document.contents) ? document.contents.get('members', true) : undefined;
  if (!isSeq<Node>(found)) return { fault: 'its list of members is not written out in place' };
  const items = (found as YAMLSeq<Node>).items.flatMap((node) => {
    const [start, end] = node.range ?? [];
    return start === undefined || end === undefined ? [] : [{ node, start, end }];
  });
  return { flow: found.flow === true, items };
}

/** Only what was meant has changed; anything else (an alias into the list, an odd layout) is left to the author. */
function proven(
  before: string,
  after: string,
  change: (members: readonly unknown[]) => readonly unknown[],
): string | EditFault {
  const fault = { fault: 'its list of members is laid out in a way that is not changed by a program' };
  const wanted = valueOf(before);
  const got = valueOf(after);
  if (wanted === undefined || got === undefined) return fault;
  const members = wanted['members'];
  if (!Array.isArray(members)) return fault;
  return isDeepStrictEqual({ ...wanted, members: change(members) }, got) ? after : fault;
}

function valueOf(text: string): Record<string, unknown> | undefined {
  try {
    return parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

// ——— one member under the other, each behind a dash

function addToBlock(text: string, last: Item, entry: MemberEntry): string {
  const dash = /^\s*-\s+/.exec(text.slice(lineStart(text, last.start)))?.[0] ?? '- ';
  const flow = isMap(last.node) && last.node.flow === true;
  const lines = flow ? [`${dash}${flowText(entry, isQuoted(last.node))}`] : blockLines(entry, dash);
  const eol = eolOf(text);
  const at = endOfLines(text, last);
  const joint = text[at - 1] === '\n' ? '' : eol;
  return `${text.slice(0, at)}${joint}${lines.join(eol)}${eol}${text.slice(at)}`;
}

function blockLines(entry: MemberEntry, dash: string): readonly string[] {
  const inside = ' '.repeat(dash.length);
  return Object.entries(entry).map(
    ([key, value], place) => `${place === 0 ? dash : inside}${key}: ${valueText(value, false)}`,
  );
}

function cutFromBlock(text: string, items: readonly Item[], index: number): string {
  const item = items[index] as Item;
  return `${text.slice(0, lineStart(text, item.start))}${text.slice(endOfLines(text, item))}`;
}

// ——— inside brackets, as in JSON

function addToFlow(text: string, last: Item, entry: MemberEntry): string {
  const line = text.slice(lineStart(text, last.start), last.start);
  const gap = line.trim() === '' ? `${eolOf(text)}${line}` : ' ';
  return `${text.slice(0, last.end)},${gap}${flowText(entry, isQuoted(last.node))}${text.slice(last.end)}`;
}

function cutFromFlow(text: string, items: readonly Item[], index: number): string {
  const item = items[index] as Item;
  const previous = items[index - 1];
  const before = text.slice(0, item.start);
  const after = text.slice(item.end);
  if (index === items.length - 1 && previous !== undefined) {
    return `${text.slice(0, previous.end)}${withoutComma(before.slice(previous.end))}${after}`;
  }
  const rest = after.slice(gapBefore(after).length);
  const gap = withoutComma(gapBefore(after));
  const ownLine = text.slice(lineStart(text, item.start), item.start).trim() === '';
  // The line that it had for itself goes as well; its comments stay.
  return ownLine && gap.trim() === ''
    ? `${text.slice(0, lineStart(text, item.start))}${rest.replace(/^[^\S\n]*\r?\n/, '')}`
    : `${before}${gap.trim() === '' ? '' : gap}${rest.trimStart()}`;
}

/** Up to the comma that ends an item, comments in between included. */
function gapBefore(text: string): string {
  return /^(?:\s|#.*\n)*,?/.exec(text)?.[0] ?? '';
}

function withoutComma(gap: string): string {
  const blank = gap.replace(/#.*/g, (comment) => ' '.repeat(comment.length));
  const at = blank.indexOf(',');
  const left = at === -1 ? gap : `${gap.slice(0, at)}${gap.slice(at + 1)}`;
  return left.trim() === '' ? '' : left;
}

// ——— words

function flowText(entry: MemberEntry, quoted: boolean): string {
  const pairs = Object.entries(entry).map(
    ([key, value]) => `${quoted ? JSON.stringify(key) : key}: ${valueText(value, quoted)}`,
  );
  return `{ ${pairs.join(', ')} }`;
}

function valueText(value: string | number | object, quoted: boolean): string {
  if (typeof value === 'number') return String(value);
  if (typeof value === 'object') {
    const [pair] = Object.entries(value as Readonly<Record<string, string>>);
    const [key, inner] = pair as [string, string];
    return `{ ${quoted ? JSON.stringify(key) : key}: ${valueText(inner, quoted)} }`;
  }
  return !quoted && /^[a-z0-9_-]+$/i.test(value) && parse(value) === value ? value : JSON.stringify(value);
}

function isQuoted(node: Node): boolean {
  if (!isMap(node)) return false;
  const [first] = node.items;
  return isScalar(first?.key) && first.key.type === 'QUOTE_DOUBLE';
}

function lineStart(text: string, at: number): number {
  return text.lastIndexOf('\n', at - 1) + 1;
}

/** Behind the last line of an item, with the comment at its end. */
function endOfLines(text: string, item: Item): number {
  if (text[item.end - 1] === '\n') return item.end;
  const end = text.indexOf('\n', item.end);
  return end === -1 ? text.length : end + 1;
}

function eolOf(text: string): string {
  return text.includes('\r\n') ? '\r\n' : '\n';
}
