/** What goes around a schema statement so that the other members get it, or what it made, as part of its transaction. */

import type { OwnRequest } from './requests.ts';
import { call } from './requests.ts';
import { quoteIdent } from '../../sql/index.ts';
import type { RelationName, Statement } from '../../sql/index.ts';

/** Settings that change what a schema statement means; they travel with it. */
const context = `json_build_object(${[
  'DateStyle',
  'IntervalStyle',
  'TimeZone',
  'standard_conforming_strings',
  'check_function_bodies',
  'default_tablespace',
  'default_table_access_method',
  'xmloption',
]
  .map((name) => `'${name}', pg_catalog.current_setting('${name}')`)
  .join(', ')})::text`;

const where = `current_user::text, pg_catalog.current_setting('search_path'), ${context}`;

const record = call('lockstep_record', `SELECT lockstep.record_statement(${where}, $1)`);
/** A session with temporary objects may mean one of them: then nothing is carried. */
const recordUnlessTemporary = call(
  'lockstep_record_named',
  `SELECT lockstep.record_statement(${where}, $1) WHERE NOT EXISTS (SELECT FROM unnest($2::text[]) AS t(name)
     JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(t.name) WHERE c.relpersistence = 't')`,
);
const done = call('lockstep_done', 'SELECT lockstep.statement_done()');
const recordRows = call('lockstep_rows', 'SELECT lockstep.record_rows(pg_catalog.to_regclass($1))');
const beforeCreateAs = call(
  'lockstep_before_as',
  `SELECT pg_catalog.set_config('lockstep.ddl', 'on', true), pg_catalog.set_config('lockstep.existed', (pg_catalog.to_regclass($1) IS NOT NULL)::text, true)`,
);
const afterCreateAs = call(
  'lockstep_after_as',
  `SELECT lockstep.record_created_table(${where}, pg_catalog.to_regclass($1)), lockstep.record_rows(pg_catalog.to_regclass($1))
    WHERE pg_catalog.current_setting('lockstep.existed') = 'false'`,
);
const sweep = call('lockstep_sweep', 'SELECT lockstep.sweep_sequences($1)');
const sweepMoved = call('lockstep_sweep_moved', 'SELECT lockstep.sweep_moved_sequences()');

export interface Around {
  readonly before: readonly OwnRequest[];
  readonly after: readonly OwnRequest[];
}

/** `text` is the statement as the client sent it. */
export function aroundSchemaStatement(statement: Statement, text: Buffer, hasTemporary: boolean): Around {
  if (statement.kind === 'create-table-as' && statement.createdTable !== undefined) {
    const name = regclassText(statement.createdTable);
    return { before: [beforeCreateAs([name])], after: [afterCreateAs([name]), done([])] };
  }
  const targets = statement.targets ?? [];
  const before =
    hasTemporary && targets.length > 0
      ? recordUnlessTemporary([text, `{${targets.map(arrayElement).join(',')}}`])
      : record([text]);
  const rows =
    statement.rewritesRows === undefined ? [] : [recordRows([regclassText(statement.rewritesRows)])];
  return { before: [before], after: [...rows, done([])] };
}

/** After statements that may have moved sequences which nobody saw. */
export const afterUnseenCode: readonly OwnRequest[] = [sweep(['f'])];
/** After statements that set them. */
export const afterSettingSequences: readonly OwnRequest[] = [sweep(['t'])];
/** By itself, now and then. */
export const sweepOfMoved: OwnRequest = sweepMoved([]);

function regclassText({ schema, name }: RelationName): string {
  return schema === undefined ? quoteIdent(name) : `${quoteIdent(schema)}.${quoteIdent(name)}`;
}

function arrayElement(relation: RelationName): string {
  return `"${regclassText(relation).replace(/["\\]/g, '\\$&')}"`;
}
