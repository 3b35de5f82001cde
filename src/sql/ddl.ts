/** Schema commands: what is refused, what is temporary, and what the engine must know to carry the rest. */
import { asNode, list, nameParts, text, unwrap } from './ast.ts';
import type { Ast } from './ast.ts';
import { indexNameOf } from './index-name.ts';
import { detachesConcurrently, rewrittenRows, triggerRefusal } from './alter-table.ts';
import { buildingPrefix, isDumpedControlObject } from './control-objects.ts';
import { isTemporary, relationName } from './findings.ts';
import { frozenValue } from './frozen-values.ts';
import { hidesReset } from './hidden-reset.ts';
import { refusals, refuse } from './refusals.ts';
import { CONTROL_SCHEMA } from './statement.ts';
import type { Draft, FunctionCatalog, Refusal, RelationName } from './statement.ts';

/** Commands whose objects are named by a list of dotted names. */
const RELATION_TYPES: ReadonlySet<string> = new Set(
  'TABLE VIEW MATVIEW INDEX SEQUENCE FOREIGN_TABLE'.split(' ').map((kind) => `OBJECT_${kind}`),
);

type Writable = { -readonly [K in keyof Draft]: Draft[K] };

const runsScript: ReadonlySet<string> = new Set(['CreateExtensionStmt', 'AlterExtensionStmt']);

export function draftDdl(node: string, body: Ast, catalog: FunctionCatalog): Draft {
  const tag = tagOf(node, body);
  if (isDumpedControlObject(node, body))
    return { kind: 'control', tag, because: 'it defines what Lockstep has made itself' };
  const refusal = refusalOf(node, body) ?? frozenValue(node, body, catalog);
  if (refusal !== undefined) return refuse(tag, refusal);
  const created = node === 'CreateStmt' ? relationName(asNode(body.relation)) : undefined;
  const creates: Partial<Writable> = {
    ...(created && { createdTable: created }),
    ...(body.if_not_exists === true && { ifNotExists: true }),
  };
  if ((node === 'IndexStmt' || node === 'DropStmt') && body.concurrent === true) creates.concurrently = true;
  if (node === 'AlterTableStmt' && detachesConcurrently(body)) creates.concurrently = true;
  if (isTemporaryTarget(node, body)) {
    return { kind: 'temp-ddl', tag, because: 'it concerns temporary objects', pinsSession: true, ...creates };
  }
  if (node === 'RefreshMatViewStmt') {
    return {
      kind: 'refresh-matview',
      tag,
      because: 'it changes stored rows',
      targets: [relationName(asNode(body.relation))],
      ...(body.skipData === true && { withNoData: true }),
      ...(body.concurrent === true && { refreshesConcurrently: true }),
    };
  }
  const targets = targetsOf(node, body);
  const sources = sourcesOf(body);
  const statistics = statisticsOf(node, body);
  const rewritten = node === 'AlterTableStmt' ? rewrittenRows(body, catalog) : undefined;
  return {
    kind: 'ddl',
    tag,
    because: 'it changes the schema',
    ...creates,
    ...(node === 'ViewStmt' && { createdView: relationName(asNode(body.view)) }),
    ...(targets.length > 0 && { targets }),
    ...(node === 'IndexStmt' && creates.concurrently && { index: indexNameOf(body) }),
    ...(sources.length > 0 && { sources }),
    ...(statistics.length > 0 && { statistics }),
    ...(rewritten && { rewritesRows: relationName(asNode(body.relation)) }),
    ...(rewritten === 'perhaps' && { ifDomains: true }),
    ...(runsScript.has(node) && { extension: text(body.extname) ?? '' }),
    ...(objectTypeOf(body) === 'OBJECT_DATABASE' && { namesDatabase: true }),
    ...(setsPassword(node, body) && { setsPassword: true }),
    ...(restartsSequence(node, body) && { setsSequences: true }),
  };
}

/** ALTER SEQUENCE, and ALTER TABLE of an identity column. */
function restartsSequence(node: string, body: Ast): boolean {
  if (node === 'AlterSeqStmt') return true;
  const commands = node === 'AlterTableStmt' ? list(body.cmds) : [];
  return commands.some((item) => asNode(asNode(item).AlterTableCmd).subtype === 'AT_SetIdentity');
}

function setsPassword(node: string, body: Ast): boolean {
  if (node !== 'CreateRoleStmt' && node !== 'AlterRoleStmt') return false;
  return list(body.options).some((item) => {
    const { defname, arg } = asNode(asNode(item).DefElem);
    return defname === 'password' && arg !== undefined;
  });
}

function objectTypeOf(body: Ast): string {
  return text(body.removeType ?? body.renameType ?? body.objectType ?? body.objtype) ?? '';
}

function refusalOf(node: string, body: Ast): Refusal | undefined {
  const type = objectTypeOf(body);
  if (type === 'OBJECT_LARGEOBJECT') return refusals.largeObject;
  if (type === 'OBJECT_SUBSCRIPTION') return refusals.subscription;
  const onlyTalks = node === 'GrantStmt' || node === 'CommentStmt' || node === 'SecLabelStmt';
  if (type === 'OBJECT_DATABASE' && !onlyTalks) return refusals.database;
  if (type === 'OBJECT_TABLESPACE') return refusals.tablespace;
  const schemaNames = type === 'OBJECT_SCHEMA' || body.targtype === 'ACL_TARGET_ALL_IN_SCHEMA';
  if (namesControlSchema(body, schemaNames)) return refusals.controlSchema;
  if (JSON.stringify(body).includes(`"${buildingPrefix}`)) return refusals.building;
  if (node === 'CreateFunctionStmt' && hidesReset(body)) return refusals.hiddenReset;
  return triggerRefusal(node, body);
}

/** Anywhere in the command: as a relation's schema, at the head of a dotted name, or as the name of a schema. */
function namesControlSchema(value: unknown, schemaNames: boolean): boolean {
  if (Array.isArray(value)) {
    const parts = nameParts(value);
    if (parts[0] === CONTROL_SCHEMA && (parts.length > 1 || schemaNames)) return true;
    return value.some((item) => namesControlSchema(item, schemaNames));
  }
  const node = asNode(value);
  if ([node.schemaname, node.newschema, node.local_schema].includes(CONTROL_SCHEMA)) return true;
  if (schemaNames && [node.subname, node.newname, node.sval].includes(CONTROL_SCHEMA)) return true;
  // The options SCHEMA of CREATE EXTENSION and IN SCHEMA of ALTER DEFAULT PRIVILEGES.
  const below = schemaNames || node.defname === 'schema' || node.defname === 'schemas';
  return Object.values(node).some(
    (child) => typeof child === 'object' && child !== null && namesControlSchema(child, below),
  );
}

/** By name: an object that exists, or one that is to be made. */
const NAMES = 'funcname defnames typeName domainname conversion_name opclassname opfamilyname'.split(' ');
const FIELDS = ['func', 'opername'];

function isTemporaryTarget(node: string, body: Ast): boolean {
  const named = [body.relation, body.sequence, body.view, body.typevar].some((item) =>
    isTemporary(asNode(item)),
  );
  if (named || NAMES.some((name) => isTemporarySchema(nameParts(body[name])[0]))) return true;
  if (FIELDS.some((name) => isTemporarySchema(nameParts(asNode(body[name]).objname)[0]))) return true;
  if (isTemporarySchema(dottedName(body.object)[0])) return true;
  if (node !== 'DropStmt' && node !== 'GrantStmt') return false;
  const objects = list(body.objects);
  return objects.length > 0 && objects.every((item) => isTemporarySchema(dottedName(item)[0]));
}

function isTemporarySchema(schema: string | undefined): boolean {
  return schema?.startsWith('pg_temp') ?? false;
}

/** Of a list of parts, a function with arguments or a type. */
function dottedName(value: unknown): readonly string[] {
  const [node, body] = unwrap(value);
  if (node === 'List') return nameParts(body.items);
  return nameParts(body.objname ?? body.names);
}

/** Relations that exist already and that the command names as its object. */
function targetsOf(node: string, body: Ast): readonly RelationName[] {
  if (node === 'CreateStmt') {
    return list(body.inhRelations).map((item) => relationName(asNode(asNode(item).RangeVar)));
  }
  const relation = asNode(
    body.relation ?? body.table ?? (node === 'AlterSeqStmt' ? body.sequence : undefined),
  );
  if (relation.relname !== undefined && node !== 'CreateForeignTableStmt') return [relationName(relation)];
  if (node === 'CreateStatsStmt')
    return list(body.relations).map((item) => relationName(asNode(asNode(item).RangeVar)));
  const type = objectTypeOf(body);
  const named = node === 'CommentStmt' || node === 'SecLabelStmt' ? [body.object] : list(body.objects);
  if (RELATION_TYPES.has(type)) return named.map(targetOf).filter((target) => target.name !== '');
  // What belongs to a table is named last, its table before it.
  if (/_(?:TRIGGER|RULE|POLICY|COLUMN|TABCONSTRAINT)$/.test(type)) {
    return named.map((item) => fromParts(dottedName(item).slice(0, -1)));
  }
  return [];
}

function statisticsOf(node: string, body: Ast): readonly RelationName[] {
  if (node === 'AlterStatsStmt') return [fromParts(nameParts(body.defnames))];
  if (objectTypeOf(body) !== 'OBJECT_STATISTIC_EXT') return [];
  const named = body.object === undefined ? list(body.objects) : [body.object];
  return named.map((item) => fromParts(dottedName(item)));
}

/** Relations that the command copies a structure from. */
function sourcesOf(body: Ast): readonly RelationName[] {
  return list(body.tableElts).flatMap((item) => {
    const like = asNode(asNode(item).TableLikeClause).relation;
    return like === undefined ? [] : [relationName(asNode(like))];
  });
}

function targetOf(item: unknown): RelationName {
  const range = asNode(asNode(item).RangeVar);
  return range.relname === undefined ? fromParts(dottedName(item)) : relationName(range);
}

function fromParts(parts: readonly string[]): RelationName {
  const name = parts.at(-1) ?? '';
  const schema = parts.at(-2);
  return schema === undefined ? { name } : { schema, name };
}

const FIXED_TAGS: Readonly<Record<string, string>> = {
  CreateStmt: 'CREATE TABLE',
  IndexStmt: 'CREATE INDEX',
  ViewStmt: 'CREATE VIEW',
  RuleStmt: 'CREATE RULE',
  CompositeTypeStmt: 'CREATE TYPE',
  CreateEnumStmt: 'CREATE TYPE',
  CreateRangeStmt: 'CREATE TYPE',
  CreateSeqStmt: 'CREATE SEQUENCE',
  CreateTrigStmt: 'CREATE TRIGGER',
  CreateEventTrigStmt: 'CREATE EVENT TRIGGER',
  CreatePLangStmt: 'CREATE LANGUAGE',
  CreateFdwStmt: 'CREATE FOREIGN DATA WRAPPER',
  CreateAmStmt: 'CREATE ACCESS METHOD',
  CreateStatsStmt: 'CREATE STATISTICS',
  CreateOpClassStmt: 'CREATE OPERATOR CLASS',
  CreateOpFamilyStmt: 'CREATE OPERATOR FAMILY',
  GrantRoleStmt: 'GRANT ROLE',
  SecLabelStmt: 'SECURITY LABEL',
  RefreshMatViewStmt: 'REFRESH MATERIALIZED VIEW',
};

function tagOf(node: string, body: Ast): string {
  const object = objectTypeOf(body)
    .replace('OBJECT_', '')
    .replaceAll('_', ' ')
    .replace('MATVIEW', 'MATERIALIZED VIEW');
  if (node === 'DropStmt') return `DROP ${object}`;
  if (node === 'DefineStmt')
    return `CREATE ${text(body.kind)?.replace('OBJECT_', '').replaceAll('_', ' ') ?? ''}`;
  if (/^(?:AlterTable|Rename|AlterOwner|AlterObject(?:Schema|Depends))Stmt$/.test(node))
    return `ALTER ${object}`;
  if (node === 'GrantStmt') return body.is_grant === true ? 'GRANT' : 'REVOKE';
  const words = node.replace(/Stmt$/, '').replaceAll(/([a-z])([A-Z])/g, '$1 $2');
  return FIXED_TAGS[node] ?? words.toUpperCase();
}

/** `CREATE SCHEMA` may carry commands of its own; the first that is refused speaks for all. */
export function draftCreateSchema(body: Ast, inner: (node: string, body: Ast) => Draft): Draft {
  const tag = 'CREATE SCHEMA';
  if (body.schemaname === CONTROL_SCHEMA) return refuse(tag, refusals.controlSchema);
  for (const element of list(body.schemaElts)) {
    const draft = inner(...unwrap(element));
    if (draft.kind === 'refused') return draft;
  }
  return {
    kind: 'ddl',
    tag,
    because: 'it changes the schema',
    ...(body.if_not_exists === true && { ifNotExists: true }),
  };
}
