/**
 * Where a member keeps what the open transaction has changed, and which schema statement is expected: in two settings that only
 * superusers set, and that nothing looks at once a session has begun. Like everything local to a transaction they are undone by
 * savepoints, and a client without such rights can write neither. The one with the changes it cannot even read.
 *
 *   +<changes>                          open: a session of the node's
 *   +*<chunks>;<changes>                the same; so many chunks lie in the temporary table
 *   !<slot>,<csn>,<part>,<term>,<token>;  closed: the record was handed out; the next piece is that part of it
 *   anything else                       a stranger
 */

/** GUC_SUPERUSER_ONLY: nobody else can show, set or reset it, and RESET ALL empties it. */
export const register = 'session_preload_libraries';

/** The first character. */
export const registerIs = { open: 43, closed: 33 } as const;

/** Anybody may read it; what it says is no secret. */
export const expectedSetting = 'backtrace_functions';

/** Which schema statement may pass. `attach`: Lockstep's own. `statement`: one that is recorded. `block`: a recorded block's. */
export type Expected = 'attach' | 'statement' | 'block' | 'temporary' | 'nothing';

const word = (state: Expected): string => (state === 'nothing' ? '' : `lockstep_${state}`);

/**
 * SQL for functions with a pinned search path. Behind the word come the materialized views that recorded statements of this
 * transaction were about: no trigger shows that somebody knows of them.
 */
export const expecting = {
  set: (state: Expected): string => `lockstep.expect('${word(state)}')`,
  now: `coalesce(substring(current_setting('${expectedSetting}') from '^lockstep_[a-l,n-z][a-z]*'), '')`,
  is: (state: Expected): string => `starts_with(current_setting('${expectedSetting}'), '${word(state)}')`,
  restore: (value: string): string => `lockstep.expect(${value})`,
  note: (view: string): string =>
    `set_config('${expectedSetting}', concat_ws(',', nullif(current_setting('${expectedSetting}'), ''), 'lockstep_m' || ${view}), true)`,
  isNoted: (view: string): string =>
    `strpos(current_setting('${expectedSetting}') || ',', concat('lockstep_m', ${view}, ',')) > 0`,
} as const;

/** The same for tables whose rows the statement under way computes anew. */
export const rewritten = {
  note: (table: string): string => expecting.note(`('r' || ${table})`),
  query: `SELECT m[1]::oid FROM regexp_matches(current_setting('${expectedSetting}'), 'lockstep_mr(\\d+)', 'g') m`,
  forget: `set_config('${expectedSetting}', regexp_replace(current_setting('${expectedSetting}'), ',?lockstep_mr\\d+', '', 'g'), true)`,
} as const;

/** Without a superuser there are no event triggers, so nobody asks. `$1`: the word. */
export function expectBody(superuser: boolean): string {
  return superuser
    ? `set_config('${expectedSetting}', concat_ws(',', nullif($1, ''), substring(current_setting('${expectedSetting}') from 'lockstep_m.*$')), true)`
    : 'NULL';
}

/** Expressions over a register. */
export const spilledMark = {
  test: (c: string): string => `starts_with(${c}, '+*')`,
  count: (c: string): string => `substr(${c}, 3, strpos(${c}, ';') - 3)::bigint`,
  write: (chunks: string): string => `format('+*%s;', ${chunks})`,
} as const;
