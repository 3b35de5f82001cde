/** Whether a member can commit, and is still who it was: a write of its own, and a look at what it says of itself. */

import { frontend } from '../../wire/postgres/index.ts';
import { MemberError } from '../contract.ts';
import type { Vitals } from '../contract.ts';
import { dangersQuery, readDangers } from './dangers.ts';
import type { InternalConnection } from './internal-connection.ts';
import { lastLoggedCsn } from './last-logged-csn.ts';

const beat = 'lockstep_beat';
const look = 'lockstep_probe';

/** The write comes first. */
const question: readonly Buffer[] = [
  frontend.bind({ statement: beat, values: [] }),
  frontend.execute(),
  frontend.bind({ statement: look, values: [] }),
  frontend.execute(),
  frontend.sync,
];

/**
 * Planned once: that costs ten times as much as asking. Not by EXECUTE, whose snapshot is older than its locks: a log that was emptied
 * in between would be seen empty, without the CSN up to which it was.
 */
export async function prepareProbe(connection: InternalConnection): Promise<void> {
  await connection.query('SET plan_cache_mode = force_generic_plan');
  await connection.pipeline([
    frontend.parse({
      name: look,
      query: `SELECT m.member_id, m.cluster_id, m.incomplete, (SELECT last_value FROM lockstep.term), greatest(m.base_csn, (${lastLoggedCsn})),
          (${dangersQuery}), pg_sequence_last_value(to_regclass('lockstep.foreign_write'))
        FROM lockstep.member m`,
    }),
    frontend.parse({ name: beat, query: 'UPDATE lockstep.heartbeat SET beat = beat + 1' }),
    frontend.sync,
  ]);
}

export async function askProbe(connection: InternalConnection, memberId: string): Promise<Vitals> {
  const { tags, rows } = await connection.pipeline(question);
  const [id, clusterId, incomplete, term, lastCsn, unsafe, foreign] = (rows[0] ?? []).map((value) =>
    value?.toString(),
  );
  if (tags[0] !== 'UPDATE 1' || id !== memberId) {
    throw new MemberError(memberId, 'unfit', `member ${memberId}: another database answers at its address`);
  }
  if (incomplete !== undefined)
    throw new MemberError(memberId, 'unfit', `member ${memberId} is marked incomplete: ${incomplete}`);
  return {
    clusterId: clusterId ?? '',
    term: Number(term),
    lastCsn: Number(lastCsn),
    dangers: readDangers(unsafe),
    foreignWrites: foreign === undefined ? null : Number(foreign),
  };
}
