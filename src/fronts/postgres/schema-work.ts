/** What goes around a schema statement so that the other members get it, or what it made, as part of its transaction. */

import type { OwnRequest } from './requests.ts';
import { call } from './requests.ts';
import { quoteIdent } from '../../sql/index.ts';
import type { RelationName, Statement } from '../../sql/index.ts';

/** Settings that change what a schema statement means, or what its expressions compute; they travel with it. */
const context = `json_strip_nulls(json_build_object(${[
  'DateStyle',
  'IntervalStyle',
  'TimeZone',
  'array_nulls',
  'bytea_output',
  'check_function_bodies',
  'default_table_access_method',
  'default_tablespace',
  'default_text_search_config',
  'default_toast_compression',
  'extra_float_digits',
  'lc_monetary',
  'lc_numeric',
  'lc_time',
  'quote_all_identifiers',
  'standard_conforming_strings',
  'transform_null_equals',
  'xmlbinary',
  'xmloption',
]
  .map((name) => `'${name}', pg_catalog.current_setting('${name}', true)`)
  .join(', ')}))::text`;

const where = `current_user::text, pg_catalog.current_setting('search_path'), ${context}`;

const numbersOf = (parameter: string): string =>
  `ARRAY(SELECT pg_catalog.to_regclass(name)::oid FROM unnest(${parameter}::text[]) AS named (name))`;

/** A table that is made without naming a schema goes into the first one of the path, whatever temporary table has its name. */
const createdNumber = `pg_catalog.to_regclass(CASE WHEN $1 = '' THEN pg_catalog.quote_ident(pg_catalog.current_schema()) ELSE $1 END || '.' || $2)::oid`;

const lockSchema = call('lockstep_lock_schema', 'SELECT lockstep.lock_schema()');
const record = call(
  'lockstep_record',
  `SELECT lockstep.record_statement(${where}, $1, ${numbersOf('$2')}, ${numbersOf('$3')})`,
);
const temporaryNumber = (parameter: string): string =>
  `pg_catalog.to_regclass('pg_temp.' || nullif(${parameter}, ''))::oid`;
const expectView = call('lockstep_expect_view', `SELECT lockstep.expect_view(${temporaryNumber('$1')})`);
const recordView = call(
  'lockstep_record_view',
  `SELECT lockstep.record_view(${where}, $1, ${temporaryNumber('$2')})`,
);
const expectTable = call('lockstep_expect_table', `SELECT lockstep.expect_table(${createdNumber})`);
const recordCreatedTable = call(
  'lockstep_record_table',
  `SELECT lockstep.record_created_table(${where}, ${createdNumber})`,
);
const recordRows = call('lockstep_rows', 'SELECT lockstep.record_rows(pg_catalog.to_regclass($1)::oid)');
const recordRowsOfDomains = call(
  'lockstep_rows_of_domains',
  'SELECT lockstep.record_rows_of_domains(pg_catalog.to_regclass($1)::oid)',
);
/**
 * Not where it is about temporary tables alone: then it has not been recorded. Nor where the session has any: those are here
 * only, and a condition about what there is could be met otherwise on another member.
 */
const expectBlock = call(
  'lockstep_expect_block',
  `SELECT pg_catalog.set_config('lockstep.ddl', 'block', true) WHERE pg_catalog.current_setting('lockstep.ddl') = 'on'
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_class
                      WHERE relnamespace = pg_catalog.pg_my_temp_schema() AND NOT pg_catalog.starts_with(relname, 'lockstep_spill'))`,
)([]);
const done = call('lockstep_done', 'SELECT lockstep.statement_done()');
const sweep = call('lockstep_sweep', 'SELECT lockstep.sweep_sequences($1)');
const sweepMoved = call('lockstep_sweep_moved', 'SELECT lockstep.sweep_moved_sequences()');

export interface Around {
  readonly before: readonly OwnRequest[];
  readonly after: readonly OwnRequest[];
}

/** `text` is the statement as the client sent it. */
export function aroundSchemaStatement(statement: Statement, text: Buffer): Around {
  const { kind, createdTable, rewritesRows, targets = [], sources = [] } = statement;
  // As the client's own encoding has them.
  const named = (words: string): Buffer => Buffer.from(words, statement.bytewise ? 'latin1' : 'utf8');
  if (kind === 'create-table-as' && createdTable !== undefined) {
    const { schema } = createdTable;
    const name = [
      named(schema === undefined ? '' : quoteIdent(schema)),
      named(quoteIdent(createdTable.name)),
    ];
    // What exists is looked up behind the lock: a statement that had it before may have made the table.
    return { before: [lockSchema([]), expectTable(name)], after: [recordCreatedTable(name), done([])] };
  }
  if (statement.createdView !== undefined) {
    const { schema, name } = statement.createdView;
    const temporary = named(schema === undefined ? quoteIdent(name) : '');
    return {
      before: [lockSchema([]), expectView([temporary])],
      after: [recordView([text, temporary]), done([])],
    };
  }
  const before = [lockSchema([]), record([text, named(arrayOf(targets)), named(arrayOf(sources))])];
  if (statement.schemaBlock) before.push(expectBlock);
  if (rewritesRows === undefined) return { before, after: [done([])] };
  const rows = statement.ifDomains ? recordRowsOfDomains : recordRows;
  return { before, after: [rows([named(regclassText(rewritesRows))]), done([])] };
}

/** After statements that may have moved sequences which nobody saw. */
export const afterUnseenCode: readonly OwnRequest[] = [sweep(['f'])];
/** After statements that set them. */
export const afterSettingSequences: readonly OwnRequest[] = [sweep(['t'])];
/** By itself, now and then. */
export const sweepOfMoved: OwnRequest = sweepMoved([]);

/**
 * RESET ALL would take back what the open transaction has collected in a setting: it is put into the temporary table for
 * collections that have grown long, and then it is said again that it is there.
 */
export const aroundResetAll: Around = {
  before: [
    call(
      'lockstep_spill',
      `SELECT CASE WHEN pg_catalog.current_setting('lockstep.changes') OPERATOR(pg_catalog.<>) '+' THEN lockstep.spill() END`,
    )([]),
  ],
  after: [
    call(
      'lockstep_spilled',
      `SELECT CASE WHEN pg_catalog.to_regclass('pg_temp.lockstep_spill') IS NOT NULL
         THEN pg_catalog.set_config('lockstep.changes', '*', true) END`,
    )([]),
  ],
};

function regclassText({ schema, name }: RelationName): string {
  return schema === undefined ? quoteIdent(name) : `${quoteIdent(schema)}.${quoteIdent(name)}`;
}

function arrayOf(relations: readonly RelationName[]): string {
  return `{${relations.map((relation) => `"${regclassText(relation).replace(/["\\]/g, '\\$&')}"`).join(',')}}`;
}
