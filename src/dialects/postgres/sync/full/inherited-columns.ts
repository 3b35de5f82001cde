/**
 * A dump makes a table that inherits with its parents' columns first. Where a column came to a parent later, or a table came to inherit
 * later, their order is another one, and no dump gives it back. Such a table is made with all its columns in order, comes to inherit
 * after that, and then the catalog is told which of them it has from its parents alone, as pg_upgrade does it.
 */

import { invariant } from '../../../../base/index.ts';
import { quoteLiteral } from '../../../../sql/index.ts';
import { relationName, userRelations } from '../../catalog-sql.ts';
import type { InternalConnection } from '../../internal-connection.ts';

/** A default, or what a column is computed by. */
interface Value {
  /** Its number in the catalog. */
  readonly oid: number;
  readonly text: string;
  /** `s`: stored; `v`: virtual; empty: a default. */
  readonly generated: string;
}

interface Column {
  readonly name: string;
  /** Quoted, with its type. */
  readonly head: string;
  readonly value: Value | null;
  readonly notNull: string | null;
  readonly local: boolean;
}

interface Check {
  readonly name: string;
  readonly text: string;
  readonly local: boolean;
  /** Of this one, and of those with its name above. */
  readonly oids: readonly number[];
}

/** A table whose columns a dump puts into another order. */
export interface OddChild {
  readonly name: string;
  readonly columns: readonly Column[];
  readonly checks: readonly Check[] | null;
  /** Those that say NOT NULL, since version 18. */
  readonly inheritedNotNulls: readonly string[] | null;
  readonly parents: readonly { readonly name: string; readonly columns: readonly string[] | null }[];
}

const notNull = `CASE WHEN a.attnotnull THEN coalesce((SELECT format('CONSTRAINT %I NOT NULL', k.conname) || CASE WHEN k.connoinherit THEN ' NO INHERIT' ELSE '' END
    FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'n' AND k.conkey = ARRAY[a.attnum]), 'NOT NULL') END`;

const childrenSql = `
  SELECT c.oid, json_build_object('name', ${relationName},
    'columns', (SELECT json_agg(json_build_object('name', a.attname, 'local', a.attislocal,
        'head', concat_ws(' ', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
          CASE WHEN a.attcollation <> 0 AND a.attcollation <> t.typcollation THEN 'COLLATE ' || a.attcollation::regcollation END),
        'notNull', ${notNull},
        'value', CASE WHEN d.oid IS NOT NULL THEN json_build_object('oid', d.oid::int8, 'text', pg_get_expr(d.adbin, d.adrelid), 'generated', a.attgenerated) END) ORDER BY a.attnum)
      FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
    'checks', (SELECT json_agg(json_build_object('name', k.conname, 'text', pg_get_constraintdef(k.oid), 'local', k.conislocal,
        'oids', (SELECT json_agg(same.oid::int8) FROM pg_constraint same WHERE same.contype = 'c' AND same.conname = k.conname AND (same.oid = k.oid OR (NOT k.conislocal AND same.conrelid IN (
           WITH RECURSIVE above (oid) AS (SELECT i.inhparent FROM pg_inherits i WHERE i.inhrelid = c.oid UNION SELECT i.inhparent FROM above JOIN pg_inherits i ON i.inhrelid = above.oid)
           SELECT oid FROM above))))) ORDER BY k.conname COLLATE "C")
      FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c'),
    'inheritedNotNulls', (SELECT json_agg(k.conname) FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'n' AND NOT k.conislocal),
    'parents', (SELECT json_agg(json_build_object('name', format('%I.%I', pn.nspname, pc.relname), 'columns', (SELECT json_agg(a.attname ORDER BY a.attnum)
          FROM pg_attribute a WHERE a.attrelid = pc.oid AND a.attnum > 0 AND NOT a.attisdropped)) ORDER BY i.inhseqno)
      FROM pg_inherits i JOIN pg_class pc ON pc.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = pc.relnamespace WHERE i.inhrelid = c.oid))
  FROM ${userRelations('rf')} WHERE NOT c.relispartition AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)`;

/** By their number in the catalog of the member that is dumped. */
export async function readOddChildren(source: InternalConnection): Promise<ReadonlyMap<string, OddChild>> {
  const rows = await source.rows(childrenSql);
  const all = rows.map(([oid, text]) => [oid ?? '', JSON.parse(text ?? '{}') as OddChild] as const);
  return new Map(all.filter(([, child]) => isOdd(child)));
}

function isOdd({ columns, parents }: OddChild): boolean {
  const own = columns.map(({ name }) => name);
  const made = new Set([...parents.flatMap((parent) => parent.columns ?? []), ...own]);
  return JSON.stringify([...made]) !== JSON.stringify(own);
}

/**
 * The dump's statements, with a table of this order. `separate`: numbers of the defaults and constraints that the dump makes by
 * statements of their own, later. `superuser`: of whoever runs them.
 */
export function inOrder(
  text: string,
  child: OddChild,
  { separate, superuser }: { readonly separate: ReadonlySet<number>; readonly superuser: boolean },
): string {
  const start = /^CREATE (UNLOGGED |FOREIGN )?TABLE /m.exec(text)?.index;
  invariant(start !== undefined, 'a table is made by CREATE TABLE');
  const words = [...text.slice(start).matchAll(/'(?:[^']|'')*'|"(?:[^"]|"")*"|[();]|\bINHERITS\b/g)];
  const at = (index: number | undefined): number => start + (index ?? 0);
  const open = words.findIndex(([word]) => word === '(');
  const close = closing(words, open);
  const end = words.findIndex(([word], index) => index > close && word === ';');
  const inherits = words.findIndex(([word], index) => index > close && index < end && word === 'INHERITS');
  invariant(inherits > 0, 'a table that inherits says so');
  const tail = closing(words, inherits + 1);
  const statement =
    `${text.slice(start, at(words[open]?.index))}(\n    ${definitions(child, separate).join(',\n    ')}\n)` +
    text.slice(at(words[close]?.index) + 1, at(words[inherits]?.index)) +
    text.slice(at(words[tail]?.index) + 1, at(words[end]?.index) + 1);
  const after = [
    ...child.parents.map(({ name }) => `ALTER TABLE ONLY ${child.name} INHERIT ${name};`),
    ...(superuser ? asInherited(child) : []),
  ];
  return [text.slice(0, start), statement, ...after, text.slice(at(words[end]?.index) + 1)].join('\n');
}

function closing(words: readonly RegExpExecArray[], open: number): number {
  let depth = 0;
  for (const [index, [word]] of words.entries()) {
    if (index < open) continue;
    if (word === '(') depth += 1;
    if (word === ')') depth -= 1;
    if (depth === 0) return index;
  }
  return words.length;
}

function definitions({ columns, checks }: OddChild, separate: ReadonlySet<number>): readonly string[] {
  const isSeparate = (oid: number): boolean => separate.has(oid);
  return [
    ...columns.map(({ head, value, notNull: demand }) => {
      const wanted = value !== null && (value.generated !== '' || !isSeparate(value.oid));
      return [head, ...(wanted ? [valueClause(value)] : []), ...(demand === null ? [] : [demand])].join(' ');
    }),
    ...(checks ?? [])
      .filter(({ oids }) => !oids.some(isSeparate))
      .map(
        ({ name, text }) => `CONSTRAINT "${name.replaceAll('"', '""')}" ${text.replace(/ NOT VALID$/, '')}`,
      ),
  ];
}

function valueClause({ text, generated }: Value): string {
  if (generated === '') return `DEFAULT ${text}`;
  return `GENERATED ALWAYS AS (${text}) ${generated === 's' ? 'STORED' : 'VIRTUAL'}`;
}

function asInherited({ name, columns, checks, inheritedNotNulls }: OddChild): readonly string[] {
  const relation = `${quoteLiteral(name)}::pg_catalog.regclass`;
  const listed = (names: readonly string[]): string => names.map((one) => quoteLiteral(one)).join(', ');
  const ofParents = columns.filter(({ local }) => !local).map((column) => column.name);
  const constraints = [
    ...(checks ?? []).filter(({ local }) => !local).map((check) => check.name),
    ...(inheritedNotNulls ?? []),
  ];
  return [
    ...(ofParents.length === 0
      ? []
      : [
          `UPDATE pg_catalog.pg_attribute SET attislocal = false WHERE attrelid = ${relation} AND attname IN (${listed(ofParents)});`,
        ]),
    ...(constraints.length === 0
      ? []
      : [
          `UPDATE pg_catalog.pg_constraint SET conislocal = false WHERE conrelid = ${relation} AND conname IN (${listed(constraints)});`,
        ]),
  ];
}

/** Inherited checks. */
const checksSql = `
  SELECT quote_literal(${relationName}), quote_literal(k.conname), k.convalidated FROM ${userRelations('rf')} JOIN pg_constraint k ON k.conrelid = c.oid
  WHERE k.contype = 'c' AND NOT k.conislocal`;

/**
 * A check that is NOT VALID becomes so on every child when a dump's statement makes it again; a child that came later had it as a valid
 * one. The statements that say of each what the source says of it.
 */
export async function likeValidity(
  source: InternalConnection,
  target: InternalConnection,
): Promise<readonly string[]> {
  const read = async (connection: InternalConnection): Promise<ReadonlyMap<string, string | null>> =>
    new Map(
      (await connection.rows(checksSql)).map(([table, name, valid = null]) => [
        `conrelid = ${table}::regclass AND conname = ${name}`,
        valid,
      ]),
    );
  const wanted = await read(source);
  const there = await read(target);
  return [...there]
    .filter(([which, valid]) => wanted.has(which) && wanted.get(which) !== valid)
    .map(
      ([which, valid]) =>
        `UPDATE pg_catalog.pg_constraint SET convalidated = ${valid === 'f'} WHERE contype = 'c' AND ${which}`,
    );
}
