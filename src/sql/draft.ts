/** The complete table from the grammar's statements to ours; a statement that is not in it is refused. */
import { asNode, list, text } from './ast.ts';
import type { Ast } from './ast.ts';
import { readBody } from './body.ts';
import { draftCreateSchema, draftDdl } from './ddl.ts';
import { hidesReset } from './hidden-reset.ts';
import {
  draftCall,
  draftCopy,
  draftCreateAs,
  draftCursor,
  draftExplain,
  draftPrepare,
  draftQuery,
  draftTables,
} from './queries.ts';
import { refusals, refuse } from './refusals.ts';
import { draftSchemaBlock } from './schema-block.ts';
import {
  draftClose,
  draftDeallocate,
  draftDiscard,
  draftFetch,
  draftListen,
  draftMaintenance,
  draftSet,
  draftTransaction,
} from './session-statements.ts';
import type { Draft, FunctionCatalog } from './statement.ts';

/** A block of more words and signs is taken to set sequences back. */
const blockTokensMax = 5000;

/** Shipped as text. Those that need more are in `draftStatement`. */
const DDL: ReadonlySet<string> = new Set(
  `AlterCollation AlterDefaultPrivileges AlterDomain AlterEnum AlterEventTrig AlterExtension AlterExtensionContents
   AlterFdw AlterForeignServer AlterFunction AlterObjectDepends AlterObjectSchema AlterOperator AlterOpFamily
   AlterOwner AlterPolicy AlterPublication AlterRole AlterRoleSet AlterSeq AlterStats AlterTable AlterTSConfiguration
   AlterTSDictionary AlterType AlterUserMapping Comment CompositeType Create CreateAm CreateCast CreateConversion
   CreateDomain CreateEnum CreateEventTrig CreateExtension CreateFdw CreateForeignServer CreateForeignTable
   CreateFunction CreateOpClass CreateOpFamily CreatePLang CreatePolicy CreatePublication CreateRange CreateRole
   CreateSeq CreateStats CreateTransform CreateTrig CreateUserMapping Define Drop DropOwned DropRole DropUserMapping
   Grant GrantRole ImportForeignSchema Index ReassignOwned RefreshMatView Rename Rule SecLabel View`
    .split(/\s+/)
    .map((name) => `${name}Stmt`),
);

export function draftStatement(node: string, body: Ast, catalog: FunctionCatalog): Draft {
  const inner = (innerNode: string, innerBody: Ast): Draft => draftStatement(innerNode, innerBody, catalog);
  if (DDL.has(node)) return draftDdl(node, body, catalog);
  switch (node) {
    case 'SelectStmt':
    case 'InsertStmt':
    case 'UpdateStmt':
    case 'DeleteStmt':
    case 'MergeStmt':
      return draftQuery(node, body, catalog);
    case 'TransactionStmt':
      return draftTransaction(body);
    case 'VariableSetStmt':
      return draftSet(body);
    case 'VariableShowStmt':
      return { kind: 'primary-read', tag: 'SHOW', because: 'settings may differ between members' };
    case 'ExplainStmt':
      return draftExplain(body, inner);
    case 'CopyStmt':
      return draftCopy(body, inner, catalog);
    case 'CallStmt':
      return draftCall(body, catalog);
    case 'DoStmt':
      if (hidesReset(body)) return refuse('DO', refusals.hiddenReset);
      return (
        draftSchemaBlock(body, catalog, draftStatement) ?? {
          kind: 'write',
          tag: 'DO',
          because: 'a code block may write',
          runsCode: true,
          unseen: true,
          ...(setsSequences(body, catalog) && { setsSequences: true }),
        }
      );
    case 'ExecuteStmt':
      return {
        kind: 'write',
        tag: 'EXECUTE',
        because: 'it may write',
        name: text(body.name) ?? '',
        runsCode: true,
      };
    case 'NotifyStmt':
      return { kind: 'write', tag: 'NOTIFY', because: 'it notifies', name: text(body.conditionname) ?? '' };
    case 'LockStmt':
      return draftTables('LOCK', body, catalog);
    case 'TruncateStmt':
      return draftTables('TRUNCATE', body, catalog);
    case 'CreateTableAsStmt':
      return draftCreateAs(body, catalog);
    case 'CreateSchemaStmt':
      return draftCreateSchema(body, inner);
    case 'DeclareCursorStmt':
      return draftCursor(body, inner);
    case 'FetchStmt':
      return draftFetch(body);
    case 'ClosePortalStmt':
      return draftClose(body);
    case 'PrepareStmt':
      return draftPrepare(body, inner);
    case 'DeallocateStmt':
      return draftDeallocate(body);
    case 'DiscardStmt':
      return draftDiscard(body);
    case 'ListenStmt':
      return draftListen('listen', body);
    case 'UnlistenStmt':
      return draftListen('unlisten', body);
    case 'ConstraintsSetStmt':
      return {
        kind: 'set-constraints',
        tag: 'SET CONSTRAINTS',
        ...(body.constraints === undefined && { all: true }),
      };
    case 'VacuumStmt':
    case 'ClusterStmt':
    case 'ReindexStmt':
    case 'CheckPointStmt':
      return draftMaintenance(node, body);
    case 'AlterSystemStmt':
      return refuse('ALTER SYSTEM', refusals.alterSystem);
    case 'LoadStmt':
      return refuse('LOAD', refusals.load);
    case 'CreatedbStmt':
    case 'DropdbStmt':
    case 'AlterDatabaseStmt':
    case 'AlterDatabaseSetStmt':
    case 'AlterDatabaseRefreshCollStmt':
      return refuse('DATABASE', refusals.database);
    case 'CreateTableSpaceStmt':
    case 'DropTableSpaceStmt':
    case 'AlterTableSpaceOptionsStmt':
    case 'AlterTableMoveAllStmt':
      return refuse('TABLESPACE', refusals.tablespace);
    case 'CreateSubscriptionStmt':
    case 'AlterSubscriptionStmt':
    case 'DropSubscriptionStmt':
      return refuse('SUBSCRIPTION', refusals.subscription);
    default:
      return refuse(node.replace(/Stmt$/, '').toUpperCase(), refusals.unknown(node));
  }
}

/** By its own words or by a function that it names, whatever language it is in. */
function setsSequences(block: Ast, catalog: FunctionCatalog): boolean {
  const source = list(block.args)
    .map((item) => text(asNode(asNode(asNode(asNode(item).DefElem).arg).String).sval) ?? '')
    .join(' ');
  const { calls, sequences } = readBody(source, 'plpgsql', blockTokensMax);
  return (
    sequences !== undefined ||
    [...calls].some((name) => catalog.hidden('function', undefined, name)?.sequences !== undefined)
  );
}
