/** Whether what a statement was taken for depends on the schema as it was known. */

import type { Statement, StatementKind } from './statement.ts';

const byTextAlone: ReadonlySet<StatementKind> = new Set([
  'begin',
  'commit',
  'control',
  'deallocate',
  'discard',
  'empty',
  'listen',
  'maintenance',
  'release',
  'rollback',
  'rollback-to',
  'savepoint',
  'set',
  'set-constraints',
  'set-transaction',
  'too-large',
  'unlisten',
  'unparsable',
]);

/** Of schema statements, what may be filled or bounded by a function: by the words that it takes to say so. Each is one pass over the text. */
const ALTER = /\balter\b/i;
const COMPUTED = /\(|\bdefault\b|\busing\b/i;
const BOUNDED = /\bfor\s+values\b|\bdo\b/i;

export function dependsOnSchema({ kind, start, end }: Statement, text: Buffer): boolean {
  if (kind !== 'ddl') return !byTextAlone.has(kind);
  const words = text.subarray(start, end).toString('latin1');
  return (ALTER.test(words) && COMPUTED.test(words)) || BOUNDED.test(words);
}
