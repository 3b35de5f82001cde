/**
 * DO blocks that hold schema statements and nothing else, as migrations have them: `BEGIN CREATE TYPE …; EXCEPTION WHEN
 * duplicate_object THEN NULL; END`, or `IF NOT EXISTS (SELECT FROM pg_type …) THEN …`. Such a block does the same on every
 * member, so it travels as it is. Anything more (variables, queries, dynamic statements) makes it a block like any other.
 */
import { parsePlPgSQLSync } from 'libpg-query';
import { asNode, list, nameParts, text } from './ast.ts';
import type { Ast } from './ast.ts';
import { findNamed } from './findings.ts';
import { refusals, refuse } from './refusals.ts';
import { parsedTokensMax, parseStatements } from './parse.ts';
import { weigh } from './weight.ts';
import type { Draft, FunctionCatalog, RelationName } from './statement.ts';

/** Conditions that equal members meet alike. A lock that comes too late is not among them, nor is OTHERS, which includes it. */
const STEADY_CONDITIONS: ReadonlySet<string> = new Set(
  `duplicate_object duplicate_table duplicate_column duplicate_schema duplicate_function duplicate_alias duplicate_database
   undefined_object undefined_table undefined_column undefined_function invalid_schema_name invalid_table_definition
   invalid_object_definition wrong_object_type object_not_in_prerequisite_state dependent_objects_still_exist`.split(
    /\s+/,
  ),
);

/** Catalogs that say what there is, by name. */
const STEADY_CATALOGS: ReadonlySet<string> = new Set(
  `pg_type pg_class pg_namespace pg_constraint pg_attribute pg_attrdef pg_enum pg_extension pg_tables pg_index pg_indexes
   pg_views pg_matviews pg_sequences pg_sequence pg_proc pg_trigger pg_roles pg_authid pg_auth_members pg_policy pg_policies
   pg_collation pg_inherits pg_publication pg_operator pg_language pg_rules pg_event_trigger pg_user`.split(
    /\s+/,
  ),
);
/** Each is parsed by itself, and nobody else has a turn meanwhile. */
const STATEMENTS_MAX = 100;
const STEADY_FUNCTIONS = /^to_reg(?:class|type|namespace|proc|procedure|role)$/;
const OBJECT_TYPES = /^reg(?:class|type|namespace|proc|procedure|role)$/;

type Judge = (node: string, body: Ast, catalog: FunctionCatalog) => Draft;

/** Undefined: it is not such a block. */
export function draftSchemaBlock(body: Ast, catalog: FunctionCatalog, judge: Judge): Draft | undefined {
  const code = codeOf(body);
  if (code === undefined) return undefined;
  const drafts: Draft[] = [];
  const block = new Block(catalog, judge, drafts);
  if (!block.holds(parsed(code)) || drafts.length === 0) return undefined;
  if (drafts.some(({ setsPassword }) => setsPassword)) return refuse('DO', refusals.hiddenPassword);
  const rewritten = new Map(
    drafts.flatMap(({ rewritesRows: table }) => (table ? [[nameOf(table), table]] : [])),
  );
  if (rewritten.size > 1) return undefined;
  const [rewritesRows] = rewritten.values();
  return {
    kind: 'ddl',
    tag: 'DO',
    because: 'it changes the schema',
    schemaBlock: true,
    ...(rewritesRows && { rewritesRows, ifDomains: true }),
    targets: drafts.flatMap((draft) => draft.targets ?? []),
    sources: drafts.flatMap((draft) => draft.sources ?? []),
  };
}

/** Of a block in PL/pgSQL. */
function codeOf(body: Ast): string | undefined {
  let code: string | undefined;
  for (const item of list(body.args)) {
    const option = asNode(asNode(item).DefElem);
    const value = text(asNode(asNode(option.arg).String).sval);
    if (option.defname === 'as') code = value;
    if (option.defname === 'language' && value !== 'plpgsql') return undefined;
  }
  return code;
}

function parsed(code: string): Ast {
  if (weigh(Buffer.from(code), parsedTokensMax) !== 'light') return {};
  let quote = '$lockstep$';
  while (code.includes(quote)) quote = `$${quote.slice(1, -1)}_$`;
  try {
    const [only] = list(asNode(parsePlPgSQLSync(`DO ${quote}${code}${quote}`)).plpgsql_funcs);
    return asNode(asNode(only).PLpgSQL_function);
  } catch {
    return {};
  }
}

class Block {
  readonly #catalog: FunctionCatalog;
  readonly #judge: Judge;
  readonly #drafts: Draft[];

  constructor(catalog: FunctionCatalog, judge: Judge, drafts: Draft[]) {
    this.#catalog = catalog;
    this.#judge = judge;
    this.#drafts = drafts;
  }

  holds(code: Ast): boolean {
    const computed = list(code.datums).some((item) =>
      Object.values(asNode(item)).some((datum) => asNode(datum).default_val !== undefined),
    );
    const action = asNode(asNode(code.action).PLpgSQL_stmt_block);
    return !computed && action.body !== undefined && this.#block(action);
  }

  #block(block: Ast): boolean {
    const handlers = list(asNode(asNode(block.exceptions).PLpgSQL_exception_block).exc_list);
    return (
      this.#all(block.body) &&
      handlers.every((item) => {
        const handler = asNode(asNode(item).PLpgSQL_exception);
        const steady = list(handler.conditions).every((condition) =>
          STEADY_CONDITIONS.has(text(asNode(asNode(condition).PLpgSQL_condition).condname) ?? ''),
        );
        return steady && this.#all(handler.action);
      })
    );
  }

  #all(statements: unknown): boolean {
    return list(statements).every((statement) => {
      const [kind = '', value] = Object.entries(asNode(statement))[0] ?? [];
      return this.#statement(kind, asNode(value));
    });
  }

  #statement(kind: string, statement: Ast): boolean {
    switch (kind) {
      case 'PLpgSQL_stmt_block':
        return this.#block(statement);
      case 'PLpgSQL_stmt_if':
        return (
          this.#steady(statement.cond) &&
          this.#all(statement.then_body) &&
          list(statement.elsif_list).every((item) => {
            const other = asNode(asNode(item).PLpgSQL_if_elsif);
            return this.#steady(other.cond) && this.#all(other.stmts);
          }) &&
          this.#all(statement.else_body)
        );
      case 'PLpgSQL_stmt_execsql':
        return statement.into === undefined && this.#schemaStatement(queryOf(statement.sqlstmt));
      case 'PLpgSQL_stmt_raise':
        return list(statement.params).length === 0 && list(statement.options).length === 0;
      // NULL, and the end.
      case 'PLpgSQL_stmt_return':
        return statement.expr === undefined;
      default:
        return false;
    }
  }

  #schemaStatement(sql: string): boolean {
    if (this.#drafts.length === STATEMENTS_MAX) return false;
    const statements = parseStatements(Buffer.from(sql));
    if ('failure' in statements) return false;
    const [statement] = statements;
    if (statements.length !== 1 || statement === undefined) return false;
    const draft = this.#judge(statement.node, statement.body, this.#catalog);
    this.#drafts.push(draft);
    const { kind, rewritesRows, ifDomains, createdView, namesDatabase, concurrently } = draft;
    if (concurrently) return false;
    return kind === 'ddl' && (!rewritesRows || ifDomains === true) && !createdView && !namesDatabase;
  }

  /** A condition that equal members answer alike: about what there is, by its name. */
  #steady(condition: unknown): boolean {
    const statements = parseStatements(Buffer.from(`SELECT ${queryOf(condition)}`));
    if ('failure' in statements || statements.length !== 1) return false;
    const plain = withoutCatalogs(statements[0]?.body);
    return plain !== undefined && Object.keys(findNamed(plain, this.#catalog)).length === 0;
  }
}

function nameOf({ schema, name }: RelationName): string {
  return `${schema ?? ''}\0${name}`;
}

function queryOf(expression: unknown): string {
  return text(asNode(asNode(expression).PLpgSQL_expr).query) ?? '';
}

/** The tree with what is steady about catalogs taken for something harmless. Undefined: it reads another relation. */
function withoutCatalogs(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map(withoutCatalogs);
    return items.includes(undefined) ? undefined : items;
  }
  if (typeof value !== 'object' || value === null) return value;
  const node = asNode(value);
  if (node.relname !== undefined) return isSteadyCatalog(node) ? { relname: 'steady' } : undefined;
  if (OBJECT_TYPES.test(nameParts(node.names).at(-1) ?? '')) return { names: [] };
  const changed: Record<string, unknown> = {};
  for (const [key, child] of Object.entries(node)) {
    const plain = withoutCatalogs(child);
    if (plain === undefined) return undefined;
    changed[key] = plain;
  }
  if (STEADY_FUNCTIONS.test(nameParts(node.funcname).at(-1) ?? ''))
    changed['funcname'] = [{ String: { sval: 'lower' } }];
  return changed;
}

function isSteadyCatalog(relation: Ast): boolean {
  const [schema, name] = [text(relation.schemaname), text(relation.relname) ?? ''];
  if (schema === 'information_schema') return true;
  return (schema === undefined || schema === 'pg_catalog') && STEADY_CATALOGS.has(name);
}
