/** How a session link commits: the messages, and the write set that comes back before the commit happens. */

import type { Deferred } from '../../base/index.ts';
import { frontend, readDataRow } from '../../wire/postgres/index.ts';
import type { CommitOptions } from '../contract.ts';
import type { LinkStatements } from './link-statements.ts';
import type { WriteSetCollector } from './write-set-collector.ts';
import { MemoryWriteSet } from './write-set.ts';

export interface CommitPhase {
  readonly kind: 'commit';
  readonly options: CommitOptions;
  /** Where the write set goes when it was asked for in parts. */
  readonly collector: WriteSetCollector | undefined;
  readonly final: boolean;
  readonly done: Deferred<'committed' | 'refused'>;
  lastTag: string;
}

const constraintsNow = 'SET CONSTRAINTS ALL IMMEDIATE';

/**
 * The write set and the commit in one packet. `deferred`: something may be put off to COMMIT; it then has to happen before
 * the write set is taken.
 */
export function finishAndCommit(
  { csn, term, slot }: CommitOptions,
  statements: LinkStatements,
  deferred: boolean,
): Buffer[] {
  const out: Buffer[] = [];
  if (deferred) {
    statements.needOwn('lockstep_constraints', constraintsNow, out);
    out.push(frontend.bind({ statement: 'lockstep_constraints', values: [] }), frontend.execute());
  }
  const finish = `lockstep_finish_${slot}`;
  statements.needOwn(finish, `SELECT lockstep.finish_${slot}($1, $2)`, out);
  statements.needOwn('lockstep_commit', 'COMMIT', out);
  // The write set leaves the server before the commit happens: Flush stands between the two.
  out.push(
    frontend.bind({ statement: finish, values: [String(csn), String(term)], resultFormats: [1] }),
    frontend.execute(),
    frontend.flush,
    frontend.bind({ statement: 'lockstep_commit', values: [] }),
    frontend.execute(),
    frontend.sync,
  );
  return out;
}

/** A large write set comes in parts, and COMMIT only after it. */
export function finishLarge(
  { csn, term, slot }: CommitOptions,
  statements: LinkStatements,
  deferred: boolean,
): Buffer[] {
  const out: Buffer[] = [];
  if (deferred) {
    statements.unnamedOwn(constraintsNow, out);
    out.push(frontend.bind({ values: [] }), frontend.execute());
  }
  statements.unnamedOwn('SELECT lockstep.finish_large($1, $2, $3)', out);
  out.push(
    frontend.bind({ values: [String(csn), String(term), String(slot)], resultFormats: [1] }),
    frontend.execute(),
    frontend.sync,
  );
  return out;
}

/** DataRow messages, each with a write set or a part of one. */
export function takeWriteSet({ collector, options }: CommitPhase, frames: Buffer): void {
  for (let at = 0; at < frames.length; ) {
    const end = at + 1 + frames.readInt32BE(at + 1);
    const [payload] = readDataRow(frames.subarray(at, end));
    at = end;
    if (collector !== undefined) {
      if (payload) collector.add(payload);
    } else {
      // Copied: the slice would keep the whole chunk alive that was read from the socket.
      options.onWriteSet(payload ? new MemoryWriteSet([Buffer.from(payload)]) : null);
    }
  }
}
