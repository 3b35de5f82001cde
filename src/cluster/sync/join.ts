/**
 * The last step: a member that is nearly level is carried over the line by a stream of its own, without a pause for anybody.
 *
 * 1. A stream is put beside the others and takes what is dispatched from then on.
 * 2. What was dispatched before comes from the log. Then the stream is opened, and has to keep up with the load.
 *    Who came by replay has its schema held against the others' here.
 * 3. It counts: every acknowledgement waits for it too.
 * 4. When it has reached what was dispatched when it began to count, it has everything that was ever acknowledged.
 * 5. It is recorded active.
 *
 * Until 5 nothing but the stream has to be dropped when something fails.
 */

import { pause } from '../../base/index.ts';
import type { Member } from '../../dialects/contract.ts';
import type { Joiner } from '../apply/joiner.ts';
import type { CatchUp } from './catch-up.ts';
import { failureOf } from './catch-up.ts';
import { demandSameSchema } from './same-schema.ts';
import { SyncFailure } from './sync-parts.ts';
import type { SyncParts } from './sync-parts.ts';

export interface JoinOptions {
  readonly member: Member;
  readonly catchUp: CatchUp;
  readonly reason: string;
  /** It was held by an operator, who brings it back now. */
  readonly byOperator: boolean;
  readonly signal: AbortSignal;
  /** It came here by replay: nobody has looked at its schema. */
  readonly proveSchema: boolean;
  /** Its stream is put beside the others now; false: it has to come nearer again. */
  onJoining(joining: boolean): void;
}

/** With so little to go, a stream can be put beside the others. */
const nearCsns = 500;
/** What a member may be behind that keeps up with the load. */
const keepsUpMs = 20;
/** Within this it has to keep up; longer, and the load is more than it can do. */
const patienceMs = 30_000;
/** Clients wait for it from here on, so that it is given up soon. */
const countedMs = 100;
/** Moments of weakness that are forgiven. */
const triesMax = 20;
const lookAgainMs = 2;

export async function join(parts: SyncParts, options: JoinOptions): Promise<void> {
  const { catchUp, signal } = options;
  for (let tries = 1; ; tries++) {
    await catchUp.comeNear(nearCsns);
    options.onJoining(true);
    const joiner = parts.streams.join(options.member);
    let joined = false;
    try {
      await catchUp.reach(joiner.stream.appliedCsn);
      catchUp.close();
      await joiner.stream.open();
      await keepUp(parts, joiner, signal);
      if (options.proveSchema && tries === 1)
        await demandSameSchema(parts, options.member, {
          reach: () => reach(parts, joiner, signal),
          signal,
        });
      await parts.tools?.prepare(options.member);
      joined = await countAndReach(parts, joiner, signal);
    } catch (error) {
      joiner.drop();
      throw failureOf(error);
    }
    if (joined) return await record(parts, joiner, options);
    catchUp.continueAt(joiner.stream.appliedCsn);
    joiner.drop();
    if (tries === triesMax)
      throw new SyncFailure('failed', 'it did not keep up with the load when it was to count');
    options.onJoining(false);
  }
}

async function keepUp({ world }: SyncParts, joiner: Joiner, signal: AbortSignal): Promise<void> {
  const { clock } = world;
  const until = clock.monotonicMs() + patienceMs;
  while (joiner.stream.behindMs > keepsUpMs) {
    check(joiner, signal);
    if (clock.monotonicMs() > until) throw new SyncFailure('failed', 'it does not keep up with the load');
    await pause(clock, lookAgainMs);
  }
  check(joiner, signal);
}

/** Until it has applied what is dispatched by now. */
async function reach({ world, order }: SyncParts, joiner: Joiner, signal: AbortSignal): Promise<void> {
  const { clock } = world;
  const goalCsn = order.dispatched;
  const until = clock.monotonicMs() + patienceMs;
  while (joiner.stream.appliedCsn < goalCsn) {
    check(joiner, signal);
    if (clock.monotonicMs() > until) throw new SyncFailure('failed', 'it does not keep up with the load');
    await pause(clock, lookAgainMs);
  }
}

/** False: it took too long, and nobody waits for it any more. */
async function countAndReach(
  { world, order }: SyncParts,
  joiner: Joiner,
  signal: AbortSignal,
): Promise<boolean> {
  const { clock } = world;
  joiner.count();
  const goalCsn = order.dispatched;
  const until = clock.monotonicMs() + countedMs;
  while (joiner.stream.appliedCsn < goalCsn) {
    check(joiner, signal);
    if (clock.monotonicMs() > until) return false;
    await pause(clock, lookAgainMs);
  }
  check(joiner, signal);
  return true;
}

async function record(
  parts: SyncParts,
  joiner: Joiner,
  { member, reason, byOperator }: JoinOptions,
): Promise<void> {
  joiner.recording();
  try {
    const held = parts.membership.entry(member.id)?.state === 'held';
    await parts.membership.change(member.id, held && byOperator ? 'operator-in' : 'trusted', reason);
  } catch (error) {
    joiner.drop();
    throw error;
  }
  joiner.activated();
  await parts.activated(member.id, reason);
}

function check({ stream, failure }: Joiner, signal: AbortSignal): void {
  signal.throwIfAborted();
  if (failure !== undefined) throw failure;
  if (stream.ended) throw new SyncFailure('failed', 'it was taken out while it joined');
}
