/** What goes around a schema statement so that the other members get it, or what it made, as part of its transaction. */

import type { ControlCall } from '../../dialects/postgres/index.ts';
import { quoteIdent } from '../../sql/index.ts';
import type { RelationName, Statement } from '../../sql/index.ts';
import { controlCall } from './requests.ts';

export interface Around {
  readonly before: readonly ControlCall[];
  readonly after: readonly ControlCall[];
}

const done = controlCall('statement_done');

/** After statements that may have moved sequences which nobody saw. */
export const afterUnseenCode: readonly ControlCall[] = [controlCall('sweep_sequences', ['f'])];

/**
 * What CONCURRENTLY is for where nothing long is to be done: that nobody stands behind a statement which itself stands behind somebody.
 * It is carried out as without the word, in one transaction, and gives up its place again and again until nobody is in the way.
 */
export function givesWay({ concurrently, tag }: Statement): boolean {
  return concurrently === true && tag !== 'CREATE INDEX';
}

function concurrentTag({ tag }: Statement): string {
  return tag === 'ALTER TABLE' ? 'ALTER TABLE ... DETACH' : tag;
}

/** `text` is the statement as the client sent it. `patient`: it gives way, in a transaction of its own. */
export function aroundSchemaStatement(statement: Statement, text: Buffer, patient = false): Around {
  const { kind, createdTable, rewritesRows, extension, targets = [], sources = [] } = statement;
  const { statistics } = statement;
  // As the client's own encoding has them.
  const named = (words: string): Buffer => Buffer.from(words, statement.bytewise ? 'latin1' : 'utf8');
  if (kind === 'create-table-as' && createdTable !== undefined) {
    const { schema } = createdTable;
    const name = [
      named(schema === undefined ? '' : quoteIdent(schema)),
      named(quoteIdent(createdTable.name)),
    ];
    return {
      before: [controlCall('expect_statement')],
      after: [controlCall('record_created_table', name), done],
    };
  }
  if (statement.createdView !== undefined) {
    const { schema, name } = statement.createdView;
    const temporary = named(schema === undefined ? quoteIdent(name) : '');
    return {
      before: [controlCall('expect_view', [temporary])],
      after: [controlCall('record_view', [text, temporary]), done],
    };
  }
  // The box, where other members run it, has no temporary tables; the rows are the same.
  const [view] = targets;
  const carried =
    statement.refreshesConcurrently && view !== undefined
      ? named(`REFRESH MATERIALIZED VIEW ${regclassText(view)}`)
      : text;
  const before = [
    ...(statement.concurrently && !patient
      ? [controlCall('demand_temporary', [named(arrayOf(targets)), concurrentTag(statement)])]
      : []),
    statistics === undefined
      ? controlCall(statement.schemaBlock ? 'record_block' : 'record_statement', [
          carried,
          named(arrayOf(targets)),
          named(arrayOf(sources)),
        ])
      : controlCall('record_of_statistics', [text, named(arrayOf(statistics))]),
  ];
  if (extension !== undefined)
    return { before, after: [controlCall('record_extension_rows', [named(extension)]), done] };
  // Where a sequence stood says nothing any more of where a transaction that is rolled back has left it.
  const positions = statement.setsSequences ? afterUnseenCode : [];
  if (rewritesRows === undefined) return { before, after: [done, ...positions] };
  const rows = [named(regclassText(rewritesRows)), statement.ifDomains ? 't' : 'f'];
  return { before, after: [controlCall('record_table_rows', rows), done, ...positions] };
}

/** After statements that set them. */
export const afterSettingSequences: readonly ControlCall[] = [controlCall('sweep_sequences', ['t'])];
/** By itself, now and then. */
export const sweepOfMoved: ControlCall = controlCall('sweep_moved_sequences');

/**
 * RESET ALL empties what the open transaction's changes are collected in: they are put into the temporary table for collections
 * that have grown long, and then it is said again that they are there.
 */
export const aroundResetAll: Around = {
  before: [controlCall('before_reset')],
  after: [controlCall('open_session')],
};

export function regclassText({ schema, name }: RelationName): string {
  return schema === undefined ? quoteIdent(name) : `${quoteIdent(schema)}.${quoteIdent(name)}`;
}

function arrayOf(relations: readonly RelationName[]): string {
  return `{${relations.map((relation) => `"${regclassText(relation).replace(/["\\]/g, '\\$&')}"`).join(',')}}`;
}
