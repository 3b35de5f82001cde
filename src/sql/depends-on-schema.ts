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

export function dependsOnSchema({ kind, judgedBySchema }: Statement): boolean {
  return kind === 'ddl' ? judgedBySchema === true : !byTextAlone.has(kind);
}
