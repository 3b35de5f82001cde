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
const expected = 'backtrace_functions';

/** Which schema statement may pass. `attach`: Lockstep's own. `statement`: one that is recorded. `block`: a recorded block's. */
export type Expected = 'attach' | 'statement' | 'block' | 'temporary' | 'nothing';

const word = (state: Expected): string => (state === 'nothing' ? '' : `lockstep_${state}`);

/** SQL for functions with a pinned search path. */
export const expecting = {
  set: (state: Expected): string => `lockstep.expect('${word(state)}')`,
  now: `current_setting('${expected}')`,
  is: (state: Expected): string => `current_setting('${expected}') = '${word(state)}'`,
  restore: (value: string): string => `lockstep.expect(${value})`,
} as const;

/** Without a superuser there are no event triggers, so nobody asks. `$1`: the word. */
export function expectBody(superuser: boolean): string {
  return superuser ? `SELECT set_config('${expected}', $1, true)` : 'SELECT NULL';
}

/** Expressions over a register. */
export const spilledMark = {
  test: (c: string): string => `starts_with(${c}, '+*')`,
  count: (c: string): string => `substr(${c}, 3, strpos(${c}, ';') - 3)::bigint`,
  write: (chunks: string): string => `format('+*%s;', ${chunks})`,
} as const;
