/** The mark that a member's data must not be relied on, and its removal. */

import { LockstepError } from '../../../base/index.ts';
import { quoteLiteral } from '../../../sql/index.ts';
import { controlFormat, createControlSchema } from '../control-schema.ts';
import { sequencePositions } from '../fingerprint.ts';
import type { SequencePosition } from '../fingerprint.ts';
import type { InternalConnection } from '../internal-connection.ts';
import type { PostgresMember } from '../postgres-member.ts';
import { dropUnfinished } from './full/clear-target.ts';
import { syncApplication, syncSettings } from './sync-settings.ts';

const endedPollMs = 20;

/** Sequences set by one statement. */
const batchSequences = 500;

export async function markIncomplete(
  target: PostgresMember,
  why: string,
  as: { readonly clusterId: string; readonly term: number },
): Promise<void> {
  await withConnection(target, async (connection) => {
    const [[there] = []] = await connection.rows(`SELECT to_regclass('lockstep.member') IS NOT NULL`);
    if (there === 't') {
      await demandOurs(connection, target.id, as.clusterId);
      // Whoever of an older term opens another connection from here on is refused before he changes anything.
      await connection.query(raiseTerm(as.term));
      await endOthers(connection);
    }
    const superuser = (await connection.rows('SHOW is_superuser'))[0]?.[0] === 'on';
    const member = [String(controlFormat), quoteLiteral(as.clusterId), quoteLiteral(target.id), '0', `'{}'`];
    await connection.query(
      [
        `BEGIN; SET LOCAL lockstep.guard = off; SET LOCAL client_min_messages = error`,
        ...(there === 't'
          ? [`UPDATE lockstep.member SET incomplete = ${quoteLiteral(why)}`]
          : [
              createControlSchema({ superuser }),
              `INSERT INTO lockstep.member (format, cluster_id, member_id, version, active, incomplete) VALUES (${member.join(', ')}, ${quoteLiteral(why)})`,
              raiseTerm(as.term),
            ]),
        `SELECT lockstep.attach(), lockstep.fence(${as.term})`,
        'COMMIT',
      ].join(';\n'),
    );
  });
}

/**
 * Positions are set exactly, also where the target's are further on: what it handed out beyond the source's belongs to rows that
 * nobody acknowledged, and which are gone. Whatever is newer than the data comes with the log that is applied afterwards.
 */
export async function conclude(
  target: PostgresMember,
  source: PostgresMember,
  at: { readonly csn: number; readonly term: number; readonly version: number },
): Promise<void> {
  const positions = await withConnection(source, sequencePositions);
  await withConnection(target, async (connection) => {
    const { term } = at;
    await connection.query(raiseTerm(term));
    await setPositions(connection, { wanted: positions, found: await sequencePositions(connection), term });
    await connection.query(
      `BEGIN; SET LOCAL lockstep.guard = off; SET LOCAL client_min_messages = error;
       TRUNCATE lockstep.log, lockstep.sequence_shipped, lockstep.sequence_reset;
       UPDATE lockstep.member SET base_csn = ${at.csn}, version = greatest(version, ${at.version}), incomplete = NULL;
       ${dropUnfinished};
       SELECT setval(to_regclass('lockstep.foreign_write'), 1, false);
       SELECT lockstep.attach(), lockstep.fence(${at.term});
       COMMIT`,
    );
  });
}

/** Whoever waited for a lock on a sequence would set it when nobody expects that any more. */
const levelSettings = { ...syncSettings, lock_timeout: '1000' };

/** PostgreSQL logs a sequence 32 numbers ahead: after a crash it stands there. Only a primary hands numbers out. */
export async function levelPositions(
  target: PostgresMember,
  source: PostgresMember,
  { term, signal }: { readonly term: number; readonly signal: AbortSignal },
): Promise<void> {
  const options = { settings: levelSettings, signal };
  const positions = await withConnection(source, sequencePositions, options);
  const level = async (connection: InternalConnection): Promise<void> => {
    await connection.query(raiseTerm(term));
    await setPositions(connection, { wanted: positions, found: await sequencePositions(connection), term });
  };
  await withConnection(target, level, options);
}

async function withConnection<T>(
  member: PostgresMember,
  work: (connection: InternalConnection) => Promise<T>,
  {
    settings,
    signal,
  }: { readonly settings: Readonly<Record<string, string>>; readonly signal?: AbortSignal } = {
    settings: syncSettings,
  },
): Promise<T> {
  const connection = await member.openInternal(settings);
  const close = (): void => connection.close();
  signal?.addEventListener('abort', close, { once: true });
  try {
    signal?.throwIfAborted();
    return await work(connection);
  } finally {
    signal?.removeEventListener('abort', close);
    close();
  }
}

async function demandOurs(connection: InternalConnection, id: string, clusterId: string): Promise<void> {
  const [row] = await connection.rows('SELECT cluster_id, member_id FROM lockstep.member');
  const [cluster, member] = row ?? [];
  if (row === undefined || (cluster === clusterId && member === id)) return;
  throw new LockstepError({
    code: 'sync.foreign-member',
    message: `the database of member ${id} belongs to another cluster or member: it is member ${member} of cluster ${cluster}`,
    hint: 'Nothing was changed. If that cluster is no more: lockstep detach takes its marks away.',
  });
}

const raiseTerm = (term: number): string =>
  `SELECT lockstep.raise_term(${term}) FROM lockstep.term WHERE last_value < ${term}`;

/** Ends what another synchronisation has at work here, and waits until its transactions are over. */
async function endOthers(connection: InternalConnection): Promise<void> {
  const others = `FROM pg_stat_activity WHERE application_name = ${quoteLiteral(syncApplication)} AND pid <> pg_backend_pid() AND datname = current_database()`;
  for (;;) {
    const ended = await connection.rows(`SELECT pg_terminate_backend(pid) ${others}`);
    if (ended.length === 0) return;
    await connection.query(`SELECT pg_sleep(${endedPollMs / 1000})`);
  }
}

/**
 * Each only while it stands where it was found, and only in this term: a server that was silent may carry this out when the member
 * has long been handing out numbers.
 */
async function setPositions(
  connection: InternalConnection,
  {
    wanted,
    found,
    term,
  }: {
    readonly wanted: ReadonlyMap<string, SequencePosition>;
    readonly found: ReadonlyMap<string, SequencePosition>;
    readonly term: number;
  },
): Promise<void> {
  const wrong = [...wanted].flatMap(([name, { last, called }]) => {
    const there = found.get(name);
    // Where it has only logged further, a crash would take it there long after this.
    const stands = there?.last === last && there.called === called && there.logged === 0;
    if (there === undefined || stands) return [];
    const handedOut = there.called ? there.last : 'NULL';
    return [`(${quoteLiteral(name)}::regclass, ${last}::bigint, ${called}, ${handedOut}::bigint)`];
  });
  for (let at = 0; at < wrong.length; at += batchSequences) {
    const values = wrong.slice(at, at + batchSequences).join(', ');
    // Bounds that a statement since then has changed come with the log, and so does the position.
    await connection.query(
      `SELECT lockstep.fence(${term});
       SELECT setval(v.seq, v.last, v.called) FROM (VALUES ${values}) AS v (seq, last, called, found)
         JOIN pg_sequence s ON s.seqrelid = v.seq AND v.last BETWEEN s.seqmin AND s.seqmax
        WHERE pg_sequence_last_value(v.seq) IS NOT DISTINCT FROM v.found`,
    );
  }
}
