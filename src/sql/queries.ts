/** SELECT, INSERT, UPDATE, DELETE, MERGE, CALL and what wraps them: EXPLAIN, COPY, cursors, PREPARE. */
import { asNode, constant, list, number, text, unwrap } from './ast.ts';
import type { Ast } from './ast.ts';
import { findIn, isSystemCatalog, isTemporary, relationName } from './findings.ts';
import type { Findings } from './findings.ts';
import { refusals, refuse } from './refusals.ts';
import { CONTROL_SCHEMA } from './statement.ts';
import type { Draft, FunctionCatalog, RelationName } from './statement.ts';

export function draftQuery(node: string, body: Ast, catalog: FunctionCatalog): Draft {
  const found = findIn({ [node]: body }, catalog);
  const tag = node === 'SelectStmt' ? selectTag(body) : node.slice(0, -4).toUpperCase();
  if (found.into !== undefined) return draftInto(tag, found, found.into);
  return draftFrom(tag, found);
}

function selectTag(body: Ast): string {
  return body.valuesLists === undefined ? 'SELECT' : 'VALUES';
}

/** The kind that the findings leave room for. */
function draftFrom(tag: string, found: Findings): Draft {
  const writes = found.write !== undefined || found.locks === true;
  if (found.refusal !== undefined) return refuse(tag, found.refusal);
  if (found.control === true && writes) return refuse(tag, refusals.controlSchema);
  const flags = flagsOf(found);
  if (found.write !== undefined) return { kind: 'write', tag, because: found.write, ...flags };
  if (found.locks === true) {
    return { kind: 'write', tag, because: 'it locks rows', locksOnly: true, ...flags };
  }
  if (found.primary !== undefined) return { kind: 'primary-read', tag, because: found.primary, ...flags };
  return { kind: 'read', tag, ...flags };
}

function flagsOf(found: Findings): Partial<Draft> {
  return {
    ...(found.readsClock && { readsClock: true }),
    ...(found.runsCode && { runsCode: true }),
    ...(found.setsSequences && { setsSequences: true }),
    ...(found.transactionLock && { transactionLock: true }),
    ...(found.sessionLock && { sessionLock: true, pinsSession: true }),
    ...(found.setsConfig && { setsConfig: true }),
    ...(found.unseen && { unseen: true }),
    ...(found.atPrimary && { atPrimary: true }),
    ...(found.endsSessions && { endsSessions: true }),
    ...(found.exportsSnapshot && { exportsSnapshot: true }),
  };
}

function draftInto(tag: string, found: Findings, into: Ast): Draft {
  const createdTable = relationName(into);
  if (found.refusal !== undefined) return refuse(tag, found.refusal);
  if (found.control === true) return refuse(tag, refusals.controlSchema);
  const flags = flagsOf(found);
  if (isTemporary(into)) {
    const because = 'it creates a temporary table';
    return { kind: 'temp-ddl', tag, because, pinsSession: true, createdTable, ...flags };
  }
  return { kind: 'create-table-as', tag, because: 'it creates a table', createdTable, ...flags };
}

/** CREATE TABLE AS and CREATE MATERIALIZED VIEW. */
export function draftCreateAs(body: Ast, catalog: FunctionCatalog): Draft {
  const matview = body.objtype === 'OBJECT_MATVIEW';
  const tag = matview ? 'CREATE MATERIALIZED VIEW' : 'CREATE TABLE AS';
  const into = asNode(body.into);
  const found = findIn(body.query, catalog);
  const [inner] = unwrap(body.query);
  const draft = draftInto(tag, { ...found, ...controlOf(into, found) }, asNode(into.rel));
  if (draft.kind === 'refused') return draft;
  return {
    ...draft,
    kind: matview ? 'create-matview' : draft.kind,
    ...(body.if_not_exists === true && { ifNotExists: true }),
    ...(into.skipData === true && { withNoData: true }),
    // EXECUTE hides its query.
    ...((found.volatile === true || found.write !== undefined || inner === 'ExecuteStmt') && {
      volatile: true,
    }),
    ...(found.orderDependent && { orderDependent: true }),
  };
}

function controlOf(into: Ast, found: Findings): Pick<Findings, 'control'> {
  return found.control === true || relationName(asNode(into.rel)).schema === CONTROL_SCHEMA
    ? { control: true }
    : {};
}

export function draftCall(body: Ast, catalog: FunctionCatalog): Draft {
  const call = asNode(body.funccall);
  const found = findIn({ FuncCall: call }, catalog);
  if (found.refusal !== undefined) return refuse('CALL', found.refusal);
  return { kind: 'write', tag: 'CALL', because: 'a procedure may write', ...flagsOf(found), runsCode: true };
}

/** `inner` drafts the statement explained: only ANALYZE runs it. */
export function draftExplain(body: Ast, inner: (node: string, body: Ast) => Draft): Draft {
  const explained = inner(...unwrap(body.query));
  if (explained.kind === 'refused') return explained;
  let analyze = false;
  for (const option of list(body.options)) {
    const { defname, arg } = asNode(asNode(option).DefElem);
    if (defname === 'analyze') analyze = !isOff(constant(arg));
  }
  // EXPLAIN ANALYZE DECLARE runs the query and leaves no cursor.
  if (analyze && explained.queryKind !== undefined) return { kind: explained.queryKind, tag: 'EXPLAIN' };
  if (analyze) return { ...explained, tag: 'EXPLAIN' };
  const kind = explained.kind === 'read' ? 'read' : 'primary-read';
  const because = explained.because ?? `the plan of ${explained.tag} is the primary's`;
  if (kind === 'read') return { kind, tag: 'EXPLAIN' };
  // Planning runs functions that call themselves immutable.
  return { kind, tag: 'EXPLAIN', because, ...(explained.unseen && { unseen: true }) };
}

function isOff(value: string | undefined): boolean {
  return value !== undefined && /^(?:0|off|false)$/i.test(value);
}

export function draftCopy(
  body: Ast,
  inner: (node: string, body: Ast) => Draft,
  catalog: FunctionCatalog,
): Draft {
  if (body.is_program === true || body.filename !== undefined) return refuse('COPY', refusals.serverFile);
  const relation = asNode(body.relation);
  if (body.is_from === true) {
    const target = relationName(relation);
    if (target.schema === CONTROL_SCHEMA) return refuse('COPY', refusals.controlSchema);
    if (isSystemCatalog(target)) return refuse('COPY', refusals.catalogWrite(target.name));
    const found = findIn(body.whereClause, catalog);
    if (found.refusal !== undefined) return refuse('COPY', found.refusal);
    return {
      kind: 'copy-in',
      tag: 'COPY',
      copy: 'in',
      targets: [target],
      because: 'it writes rows',
      ...(found.unseen && { unseen: true }),
      ...behind([target], catalog),
    };
  }
  const draft =
    body.query === undefined ? draftFrom('COPY', findIn(body, catalog)) : inner(...unwrap(body.query));
  return draft.kind === 'refused' ? draft : { ...draft, tag: 'COPY', copy: 'out' };
}

const CURSOR_HOLD = 0x0020;

export function draftCursor(body: Ast, inner: (node: string, body: Ast) => Draft): Draft {
  const query = inner(...unwrap(body.query));
  if (query.kind === 'refused') return query;
  const hold = (number(body.options) ?? 0) & CURSOR_HOLD;
  return {
    kind: 'declare-cursor',
    tag: 'DECLARE CURSOR',
    because: 'a cursor lives on one connection',
    name: text(body.portalname) ?? '',
    queryKind: query.kind,
    ...(hold !== 0 && { hold: true, pinsSession: true }),
    ...carried(query),
  };
}

export function draftPrepare(body: Ast, inner: (node: string, body: Ast) => Draft): Draft {
  const query = inner(...unwrap(body.query));
  if (query.kind === 'refused') return query;
  const unseen = query.unseen && ({ unseen: true } as const);
  return { kind: 'prepare', tag: 'PREPARE', name: text(body.name) ?? '', queryKind: query.kind, ...unseen };
}

/** What a query does to its session it does inside a cursor too. */
function carried(query: Draft): Partial<Draft> {
  return {
    ...(query.readsClock && { readsClock: true }),
    ...(query.transactionLock && { transactionLock: true }),
    ...(query.sessionLock && { sessionLock: true, pinsSession: true }),
    ...(query.setsConfig && { setsConfig: true }),
    ...(query.unseen && { unseen: true }),
    ...(query.atPrimary && { atPrimary: true }),
    ...(query.endsSessions && { endsSessions: true }),
  };
}

/** What the triggers and rules of these tables may do besides. */
function behind(targets: readonly RelationName[], catalog: FunctionCatalog): Partial<Draft> {
  const hidden = targets.map(({ schema, name }) => catalog.hidden('target', schema, name));
  return {
    ...(hidden.some((one) => one?.session !== undefined) && { unseen: true }),
    ...(hidden.some((one) => one?.sequences !== undefined) && { setsSequences: true }),
  };
}

/** LOCK and TRUNCATE name tables and nothing else. */
export function draftTables(tag: 'LOCK' | 'TRUNCATE', body: Ast, catalog: FunctionCatalog): Draft {
  const targets = list(body.relations).map((item) => relationName(asNode(asNode(item).RangeVar)));
  if (targets.some((target) => target.schema === CONTROL_SCHEMA))
    return refuse(tag, tag === 'LOCK' ? refusals.controlLock : refusals.controlSchema);
  if (tag === 'LOCK') return { kind: 'write', tag, because: 'it locks tables', locksOnly: true, targets };
  const catalogTable = targets.find(isSystemCatalog);
  if (catalogTable !== undefined) return refuse(tag, refusals.catalogWrite(catalogTable.name));
  return {
    kind: 'write',
    tag,
    because: 'it empties tables',
    truncate: true,
    targets,
    ...behind(targets, catalog),
    ...(body.restart_seqs === true && { restartIdentity: true }),
  };
}
