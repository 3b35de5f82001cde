/** Statements about the transaction, the settings and the other state of a session. */
import { asNode, constant, list, text } from './ast.ts';
import type { Ast } from './ast.ts';
import { refusals, refuse } from './refusals.ts';
import type { Draft, IsolationLevel, TransactionOptions } from './statement.ts';

const ISOLATION_LEVELS: ReadonlySet<string> = new Set<IsolationLevel>([
  'read uncommitted',
  'read committed',
  'repeatable read',
  'serializable',
]);

export function draftTransaction(body: Ast): Draft {
  const name = text(body.savepoint_name) ?? '';
  const chain = body.chain === true ? ({ chain: true } as const) : {};
  switch (body.kind) {
    case 'TRANS_STMT_BEGIN':
      return { kind: 'begin', tag: 'BEGIN', transaction: optionsOf(body.options) };
    case 'TRANS_STMT_START':
      return { kind: 'begin', tag: 'START TRANSACTION', transaction: optionsOf(body.options) };
    case 'TRANS_STMT_COMMIT':
      return { kind: 'commit', tag: 'COMMIT', ...chain };
    case 'TRANS_STMT_ROLLBACK':
      return { kind: 'rollback', tag: 'ROLLBACK', ...chain };
    case 'TRANS_STMT_SAVEPOINT':
      return { kind: 'savepoint', tag: 'SAVEPOINT', name };
    case 'TRANS_STMT_RELEASE':
      return { kind: 'release', tag: 'RELEASE', name };
    case 'TRANS_STMT_ROLLBACK_TO':
      return { kind: 'rollback-to', tag: 'ROLLBACK', name };
    case 'TRANS_STMT_COMMIT_PREPARED':
      return refuse('COMMIT PREPARED', refusals.twoPhase);
    case 'TRANS_STMT_ROLLBACK_PREPARED':
      return refuse('ROLLBACK PREPARED', refusals.twoPhase);
    default:
      return refuse('PREPARE TRANSACTION', refusals.twoPhase);
  }
}

/** From the list of options that BEGIN and SET TRANSACTION share. */
function optionsOf(options: unknown): TransactionOptions {
  let result: TransactionOptions = {};
  for (const option of list(options)) {
    const { defname, arg } = asNode(asNode(option).DefElem);
    result = { ...result, ...optionOf(text(defname) ?? '', constant(arg) ?? '') };
  }
  return result;
}

function optionOf(name: string, value: string): TransactionOptions {
  const isOn = /^(?:1|on|t(?:rue?)?|y(?:es?)?)$/i.test(value);
  switch (name) {
    case 'transaction_isolation': {
      const isolation = value.toLowerCase();
      return ISOLATION_LEVELS.has(isolation) ? { isolation: isolation as IsolationLevel } : {};
    }
    case 'transaction_read_only':
      return { readOnly: isOn };
    case 'transaction_deferrable':
      return { deferrable: isOn };
    default:
      return {};
  }
}

export function draftSet(body: Ast): Draft {
  const name = (text(body.name) ?? '').toLowerCase();
  const args = list(body.args);
  const local = body.is_local === true ? ({ local: true } as const) : {};
  switch (body.kind) {
    case 'VAR_RESET_ALL':
      return { kind: 'set', tag: 'RESET', resetAll: true };
    case 'VAR_RESET':
      return { kind: 'set', tag: 'RESET', name, reset: true };
    case 'VAR_SET_DEFAULT':
      return { kind: 'set', tag: 'SET', name, reset: true, ...local };
    case 'VAR_SET_MULTI':
      if (name === 'transaction')
        return { kind: 'set-transaction', tag: 'SET TRANSACTION', transaction: optionsOf(args) };
      if (name === 'transaction snapshot') {
        return { kind: 'set-transaction', tag: 'SET TRANSACTION', transaction: { snapshot: true } };
      }
      return { kind: 'set', tag: 'SET', name, transaction: optionsOf(args) };
    default:
      return draftSetValue(name, args.length === 1 ? constant(args[0]) : undefined, local);
  }
}

function draftSetValue(name: string, value: string | undefined, local: { readonly local?: true }): Draft {
  if (name === 'session_replication_role' && value?.toLowerCase() !== 'origin') {
    return refuse('SET', refusals.replicationRole);
  }
  // The long way to write SET TRANSACTION.
  if (/^transaction_(?:isolation|read_only|deferrable)$/.test(name)) {
    return { kind: 'set-transaction', tag: 'SET', transaction: optionOf(name, value ?? '') };
  }
  return { kind: 'set', tag: 'SET', name, ...(value !== undefined && { value }), ...local };
}

const DISCARDS: Readonly<Record<string, NonNullable<Draft['discards']>>> = {
  DISCARD_ALL: 'all',
  DISCARD_PLANS: 'plans',
  DISCARD_SEQUENCES: 'sequences',
  DISCARD_TEMP: 'temp',
};

export function draftDiscard(body: Ast): Draft {
  return { kind: 'discard', tag: 'DISCARD', discards: DISCARDS[text(body.target) ?? ''] ?? 'all' };
}

export function draftDeallocate(body: Ast): Draft {
  const name = text(body.name);
  return { kind: 'deallocate', tag: 'DEALLOCATE', ...(name === undefined ? { all: true } : { name }) };
}

export function draftListen(kind: 'listen' | 'unlisten', body: Ast): Draft {
  const name = text(body.conditionname);
  return {
    kind,
    tag: kind.toUpperCase(),
    ...(name === undefined ? { all: true } : { name }),
    ...(kind === 'listen' && { because: 'notifications arrive on one connection', pinsSession: true }),
  };
}

export function draftFetch(body: Ast): Draft {
  const tag = body.ismove === true ? 'MOVE' : 'FETCH';
  return {
    kind: 'primary-read',
    tag,
    because: 'a cursor lives on one connection',
    name: text(body.portalname) ?? '',
  };
}

export function draftClose(body: Ast): Draft {
  const name = text(body.portalname);
  const because = 'a cursor lives on one connection';
  return { kind: 'primary-read', tag: 'CLOSE', because, ...(name === undefined ? { all: true } : { name }) };
}

export function draftMaintenance(node: string, body: Ast): Draft {
  const because = 'each member keeps its own storage';
  const base = { kind: 'maintenance', because } as const;
  switch (node) {
    case 'VacuumStmt':
      return body.is_vacuumcmd === true
        ? { ...base, tag: 'VACUUM', inTransactionOk: false }
        : { ...base, tag: 'ANALYZE', inTransactionOk: true };
    case 'ClusterStmt':
      return { ...base, tag: 'CLUSTER', inTransactionOk: body.relation !== undefined };
    case 'ReindexStmt':
      return { ...base, tag: 'REINDEX', inTransactionOk: reindexInTransaction(body) };
    default:
      return { ...base, tag: 'CHECKPOINT', inTransactionOk: true };
  }
}

function reindexInTransaction(body: Ast): boolean {
  const concurrently = list(body.params).some((item) => {
    const { defname, arg } = asNode(asNode(item).DefElem);
    return defname === 'concurrently' && !/^(?:0|off|false)$/i.test(constant(arg) ?? 'on');
  });
  return !concurrently && /_(?:INDEX|TABLE)$/.test(text(body.kind) ?? '');
}
