/**
 * A walk over a statement's syntax tree that notes everything which keeps it from running on any member.
 *
 * What no syntax tree shows, functions behind views, operators, casts, domains and row security, the catalog is asked for.
 * A member that only answers reads has read-only connections, so a write hidden anywhere fails instead of diverging.
 */
import { asNode, list, nameParts, text } from './ast.ts';
import type { Ast } from './ast.ts';
import { systemCatalogs } from './builtin-functions.ts';
import { builtinRole, orderedAggregates } from './function-roles.ts';
import type { FunctionRole } from './function-roles.ts';
import { refusals } from './refusals.ts';
import { CONTROL_SCHEMA } from './statement.ts';
import type { FunctionCatalog, Hidden, HiddenIn, Refusal, RelationName } from './statement.ts';

/** `write` and `primary` hold the first reason found. */
export interface Findings {
  refusal?: Refusal;
  write?: string;
  primary?: string;
  locks?: true;
  /** The target of SELECT INTO, as a tree. */
  into?: Ast;
  runsCode?: true;
  setsSequences?: true;
  sessionLock?: true;
  transactionLock?: true;
  setsConfig?: true;
  unseen?: true;
  atPrimary?: true;
  endsSessions?: true;
  exportsSnapshot?: true;
  readsClock?: true;
  /** Differs from member to member. */
  volatile?: true;
  orderDependent?: true;
  /** Names a relation of the control schema. */
  control?: true;
}

const SYSTEM_COLUMNS: ReadonlySet<string> = new Set('ctid xmin xmax cmin cmax tableoid'.split(' '));
const CATALOG_SCHEMAS: ReadonlySet<string> = new Set(['pg_catalog', 'information_schema', 'pg_toast']);
const CATALOG_TABLES: ReadonlySet<string> = new Set(systemCatalogs);
const OBJECT_ID_TYPES: ReadonlySet<string> = new Set(
  'regclass regproc regprocedure regoper regoperator regtype regrole regnamespace regcollation'.split(' '),
);
/** Configurations are looked up and used by name inside one call; only as a value do they carry an id. */
const TEXT_SEARCH_TYPES: ReadonlySet<string> = new Set(['regconfig', 'regdictionary']);
/** Texts that a date type reads as a moment. */
const MOMENT = /^\s*(?:now|today|tomorrow|yesterday)\b/i;

export function findIn(tree: unknown, catalog: FunctionCatalog): Findings {
  const findings: Findings = {};
  const walk = new Walk(findings, catalog);
  walk.visit(tree);
  if (catalog.everywhere !== undefined) walk.hides(catalog.everywhere, 'a cast');
  return findings;
}

/** What stands in the tree by name. Nothing of what may be anywhere: a statement that is carried runs on the primary in any case. */
export function findNamed(tree: unknown, catalog: FunctionCatalog): Findings {
  const findings: Findings = {};
  new Walk(findings, catalog).visit(tree);
  return findings;
}

class Walk {
  readonly #found: Findings;
  readonly #catalog: FunctionCatalog;
  /** Type names already judged from the call around them. */
  readonly #settled = new WeakSet<Ast>();

  constructor(found: Findings, catalog: FunctionCatalog) {
    this.#found = found;
    this.#catalog = catalog;
  }

  visit(value: unknown): void {
    if (Array.isArray(value)) {
      for (const item of value) this.visit(item);
      return;
    }
    const node = asNode(value);
    if (typeof node.relname === 'string') this.#relation(node);
    for (const key in node) {
      const child = node[key];
      if (typeof child !== 'object' || child === null) continue;
      this.#inspect(key, child as Ast);
      this.visit(child);
    }
  }

  /** Looks at one field; wrapped and direct nodes differ only in the case of its name. */
  #inspect(key: string, child: Ast): void {
    const found = this.#found;
    switch (key) {
      case 'FuncCall':
        return this.#call(child);
      case 'ColumnRef':
        return this.#column(child);
      case 'SQLValueFunction':
        return this.#valueFunction(text(child.op) ?? '');
      case 'TypeName':
      case 'typeName':
        return this.#type(child);
      case 'A_Expr':
        return this.#operator(child.name);
      case 'SubLink':
        return this.#operator(child.operName);
      case 'SortBy':
        return this.#operator(child.useOp);
      case 'A_Indirection':
        for (const field of list(child.indirection)) this.#field(field);
        return;
      case 'A_Const':
        if (MOMENT.test(text(asNode(child.sval).sval) ?? '')) found.volatile = true;
        return;
      case 'InsertStmt':
      case 'UpdateStmt':
      case 'DeleteStmt':
      case 'MergeStmt':
        found.write ??= `it contains ${key.slice(0, -4).toUpperCase()}`;
        return this.#target(asNode(child.relation));
      case 'lockingClause':
        found.locks = true;
        return;
      case 'intoClause':
        found.into = asNode(child.rel);
        return;
      case 'SetToDefault':
        // The default may draw from a sequence, which the trigger for INSERT does not see.
        found.runsCode = true;
        return;
      case 'RangeTableSample':
        found.volatile = true;
        return;
      case 'limitCount':
      case 'limitOffset':
      case 'over':
      case 'JsonArrayAgg':
      case 'JsonObjectAgg':
        found.orderDependent = true;
        return;
      case 'distinctClause':
        // Plain DISTINCT is a list of one empty node.
        if (Object.keys(asNode(list(child)[0])).length > 0) found.orderDependent = true;
        return;
    }
  }

  #relation(node: Ast): void {
    const name = text(node.relname) ?? '';
    const schema = text(node.schemaname);
    if (schema === CONTROL_SCHEMA) {
      this.#found.control = true;
      this.#primary(`it reads schema ${CONTROL_SCHEMA}`);
    } else if (schema === undefined ? name.startsWith('pg_') : isCatalogSchema(schema)) {
      this.#found.volatile = true;
      this.#primary(`it reads catalog ${name}`);
    } else this.#look('relation', schema, name);
  }

  #target(relation: Ast): void {
    const name = relationName(relation);
    if (name.name === 'pg_settings' && (name.schema ?? 'pg_catalog') === 'pg_catalog') {
      this.#found.setsConfig = true;
      this.#found.unseen = true;
    } else if (isSystemCatalog(name)) {
      this.#found.refusal ??= refusals.catalogWrite(name.name);
    }
    const { session, sequences } = this.#catalog.hidden('target', name.schema, name.name) ?? {};
    if (session !== undefined) this.#found.unseen = true;
    if (sequences !== undefined) this.#found.setsSequences = true;
  }

  #column(node: Ast): void {
    const fields = list(node.fields);
    const name = text(asNode(asNode(fields[fields.length - 1]).String).sval);
    if (name !== undefined && SYSTEM_COLUMNS.has(name)) {
      this.#found.volatile = true;
      this.#primary(`it reads system column ${name}`);
    }
    // A function of a row can be called as if it were a column.
    for (const field of fields.slice(1)) this.#field(field);
  }

  #field(node: unknown): void {
    const name = text(asNode(asNode(node).String).sval);
    if (name !== undefined) this.#look('field', undefined, name);
  }

  #operator(names: unknown): void {
    const parts = nameParts(names);
    if (parts.length > 0) this.#look('operator', parts.length > 1 ? parts.at(-2) : undefined, parts.at(-1)!);
  }

  #look(what: HiddenIn, schema: string | undefined, name: string): void {
    const hidden = this.#catalog.hidden(what, schema, name);
    if (hidden !== undefined) this.hides(hidden, name);
  }

  hides({ session, writes, sequences, local }: Hidden, name: string): void {
    if (sequences !== undefined) this.#found.setsSequences = true;
    if (writes !== undefined || local !== undefined) this.#found.volatile = true;
    this.#found.atPrimary = true;
    if (session !== undefined) this.#found.unseen = true;
    this.#primary(`behind ${name} is ${session ?? writes ?? local}`);
  }

  #type(node: Ast): void {
    if (this.#settled.has(node)) return;
    const names = nameParts(node.names);
    const name = names[names.length - 1] ?? '';
    if (OBJECT_ID_TYPES.has(name) || TEXT_SEARCH_TYPES.has(name)) {
      this.#found.volatile = true;
      this.#primary(`it uses object ids (${name})`);
    }
    this.#look('type', names.length > 1 ? names.at(-2) : undefined, name);
  }

  #valueFunction(op: string): void {
    if (/TIME|DATE/.test(op)) {
      this.#found.readsClock = true;
      this.#found.volatile = true;
    } else {
      this.#found.volatile = true;
      this.#primary(`it asks for ${op.replace('SVFOP_', '').toLowerCase()}`);
    }
  }

  #call(node: Ast): void {
    const parts = nameParts(node.funcname);
    const name = parts[parts.length - 1] ?? '';
    const schema = parts.length > 1 ? parts[parts.length - 2] : undefined;
    for (const argument of list(node.args)) {
      const type = asNode(asNode(asNode(argument).TypeCast).typeName);
      if (TEXT_SEARCH_TYPES.has(nameParts(type.names).at(-1) ?? '')) this.#settled.add(type);
    }
    if (schema === CONTROL_SCHEMA) {
      this.#found.refusal ??= refusals.controlSchema;
      return;
    }
    if (orderedAggregates.has(name) && node.agg_order === undefined) this.#found.orderDependent = true;
    this.#look('function', schema, name);
    const role = this.#roleOf(schema, name);
    this.#role(role, name);
    if (role === 'config' && !isTrue(list(node.args)[2])) this.#found.unseen = true;
  }

  /** A user's function may share a built-in's name with other arguments: then the worse of both counts. */
  #roleOf(schema: string | undefined, name: string): FunctionRole {
    if (schema === 'information_schema') return 'member';
    const builtin = schema === undefined || schema === 'pg_catalog' ? builtinRole(name) : undefined;
    const user = schema === 'pg_catalog' ? 'unknown' : this.#catalog.volatility(schema, name);
    if (user === 'unknown') {
      if (builtin === undefined) {
        this.#found.unseen = true;
        this.#found.setsSequences = true;
      }
      return builtin ?? 'write';
    }
    if (user === 'volatile')
      return builtin === 'large-object' || builtin === 'uncaptured' ? builtin : 'write';
    if (user === 'stable') this.#found.volatile = true;
    return builtin ?? 'pure';
  }

  #role(role: FunctionRole, name: string): void {
    const found = this.#found;
    if (role === 'pure') return;
    found.volatile = true;
    switch (role) {
      case 'chance':
        return;
      case 'clock':
        found.readsClock = true;
        return;
      case 'transaction-lock':
        found.transactionLock = true;
        return this.#primary(`it takes an advisory lock (${name})`);
      case 'session-lock':
        found.sessionLock = true;
        return this.#primary(`it takes an advisory lock (${name})`);
      case 'config':
        found.setsConfig = true;
        return this.#primary(`it calls ${name}()`);
      case 'member':
        if (name === 'pg_terminate_backend') found.endsSessions = true;
        if (name === 'pg_export_snapshot') found.exportsSnapshot = true;
        if (name === 'currval' || name === 'lastval') found.atPrimary = true;
        if (name.startsWith('pg_advisory_unlock')) found.unseen = true;
        return this.#primary(`it calls ${name}(), which answers for one member`);
      case 'write':
        found.runsCode = true;
        if (name === 'setval') found.setsSequences = true;
        found.write ??= `it calls ${name}(), which may write`;
        return;
      case 'large-object':
        found.refusal ??= refusals.largeObject;
        return;
      case 'uncaptured':
        found.refusal ??= refusals.uncaptured(name);
        return;
    }
  }

  #primary(reason: string): void {
    this.#found.primary ??= reason;
  }
}

/** The word, not something that comes to the same. */
function isTrue(argument: unknown): boolean {
  return asNode(asNode(asNode(argument).A_Const).boolval).boolval === true;
}

function isCatalogSchema(schema: string): boolean {
  return CATALOG_SCHEMAS.has(schema) || schema.startsWith('pg_temp') || schema.startsWith('pg_toast');
}

export function isSystemCatalog(relation: RelationName): boolean {
  if (relation.schema === undefined) return CATALOG_TABLES.has(relation.name);
  return relation.schema === 'pg_catalog' || relation.schema.startsWith('pg_toast');
}

/** Of a RangeVar. */
export function relationName(node: Ast): RelationName {
  const name = text(node.relname) ?? '';
  const schema = text(node.schemaname);
  return schema === undefined ? { name } : { schema, name };
}

/** Of a RangeVar. */
export function isTemporary(node: Ast): boolean {
  return node.relpersistence === 't' || (text(node.schemaname)?.startsWith('pg_temp') ?? false);
}
