/**
 * What a built-in function means for a statement that calls it. Volatility alone cannot say it: currval() is
 * volatile and changes nothing, pg_backend_pid() is stable and differs on every member, now() is stable and differs
 * on every call.
 */
import { immutableBuiltins, stableBuiltins, volatileBuiltins } from './builtin-functions.ts';

export type FunctionRole =
  /** Same arguments, same data, same settings: same answer on every member. */
  | 'pure'
  /** Differs from call to call, and may run anywhere. */
  | 'chance'
  /** The transaction's time: may run anywhere, but one transaction expects one answer. */
  | 'clock'
  /** Speaks of one server, one connection or of object ids: belongs to the primary. */
  | 'member'
  | 'transaction-lock'
  | 'session-lock'
  | 'config'
  | 'write'
  | 'large-object'
  /** Changes what no trigger sees. */
  | 'uncaptured';

const CLOCK = 'now transaction_timestamp age';

const CHANCE = `
  statement_timestamp clock_timestamp timeofday pg_sleep pg_sleep_for pg_sleep_until random random_normal
  gen_random_uuid uuidv4 uuidv7 array_sample array_shuffle current_query`;

/** Names that would fall under a prefix below and are harmless. */
const PURE = `
  pg_typeof pg_input_is_valid pg_input_error_info pg_size_pretty pg_size_bytes pg_encoding_to_char
  pg_char_to_encoding pg_encoding_max_length pg_client_encoding pg_get_keywords pg_lsn pg_snapshot_xip
  pg_collation_for pg_wal_lsn_diff pg_timezone_names`;

const MEMBER = `
  currval lastval setseed version current_setting current_database current_schema current_schemas current_user
  session_user system_user getpgusername regclass format_type obj_description shobj_description col_description
  oidvectortypes row_security_active mxid_age currtid2 icu_unicode_version unicode_version gin_clean_pending_list
  amvalidate plpgsql_validator`;

const MEMBER_NAME =
  /^(?:pg_|has_.*_privilege$|to_reg|inet_(?:client|server)_|txid_|brin_(?:de)?summarize_|fmgr_)|_to_xml(?:schema|_and_xmlschema)?$/;

const TRANSACTION_LOCKS = `
  pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared`;

const SESSION_LOCKS = `
  pg_advisory_lock pg_advisory_lock_shared pg_try_advisory_lock pg_try_advisory_lock_shared`;

/** The last ones run a query that is handed to them as text. */
const WRITES = `
  nextval setval pg_notify query_to_xml query_to_xml_and_xmlschema query_to_xmlschema ts_stat ts_rewrite`;

const UNCAPTURED = `
  pg_import_system_collations pg_extension_config_dump pg_nextoid pg_stop_making_pinned_objects pg_file_write
  pg_file_unlink pg_file_rename pg_file_sync`;

const roles: ReadonlyMap<string, FunctionRole> = makeRoles();

function makeRoles(): Map<string, FunctionRole> {
  const table = new Map<string, FunctionRole>();
  for (const name of [...immutableBuiltins, ...stableBuiltins]) table.set(name, 'pure');
  for (const name of volatileBuiltins) table.set(name, 'write');
  for (const name of table.keys()) {
    if (MEMBER_NAME.test(name)) table.set(name, 'member');
    else if (/^lo_|^loread$|^lowrite$/.test(name)) table.set(name, 'large-object');
  }
  const assign = (names: string, role: FunctionRole): void => {
    for (const name of names.trim().split(/\s+/)) table.set(name, role);
  };
  assign(PURE, 'pure');
  assign(MEMBER, 'member');
  assign(CLOCK, 'clock');
  assign(CHANCE, 'chance');
  assign(TRANSACTION_LOCKS, 'transaction-lock');
  assign(SESSION_LOCKS, 'session-lock');
  assign('set_config', 'config');
  assign(WRITES, 'write');
  assign(UNCAPTURED, 'uncaptured');
  return table;
}

/** Undefined: not a built-in that we know. */
export function builtinRole(name: string): FunctionRole | undefined {
  return roles.get(name);
}

/** Aggregates whose answer depends on the order of their input. */
export const orderedAggregates: ReadonlySet<string> = new Set(
  `array_agg string_agg json_agg json_agg_strict jsonb_agg jsonb_agg_strict json_object_agg json_object_agg_strict
   json_object_agg_unique json_object_agg_unique_strict jsonb_object_agg jsonb_object_agg_strict
   jsonb_object_agg_unique jsonb_object_agg_unique_strict xmlagg any_value`.split(/\s+/),
);
