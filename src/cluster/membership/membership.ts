/**
 * Who takes part. One door for every change, and a durable record before the change has effect: a crash between the two
 * finds a member recorded inactive that was still active, which is harmless, never the other way round.
 */

import { LockstepError } from '../../base/index.ts';
import type { Clock } from '../../base/index.ts';
import type { NodeState, RememberedMember, StateStore } from '../../coordination/index.ts';
import { memberStates } from './member-states.ts';
import type { MemberEvent, MemberState } from './member-states.ts';

export interface MemberEntry {
  readonly id: string;
  readonly url: string;
  readonly state: MemberState;
  readonly reason: string | undefined;
  readonly since: string;
  /** It is on its way out of the cluster, for good. */
  readonly leaving: boolean;
  /** As remembered; of use while it is not active. */
  readonly wholeUpToCsn?: number;
  readonly differs?: boolean;
}

/** What is recorded along with a change. */
export interface ChangeOptions {
  readonly primary?: string;
  readonly wholeUpToCsn?: number;
  readonly differs?: boolean;
}

export interface MembershipChange {
  readonly before: MemberEntry;
  readonly after: MemberEntry;
  readonly version: number;
}

export interface MembershipOptions {
  readonly clusterId: string;
  readonly store: StateStore;
  readonly clock: Clock;
  readonly term: number;
  readonly version: number;
  readonly members: readonly MemberEntry[];
  readonly primary: string | null;
  readonly lastCsn: number;
}

export class Membership {
  readonly #options: MembershipOptions;
  #members: readonly MemberEntry[];
  #version: number;
  #term: number;
  #primary: string | null;
  #lastCsn: number;
  /** Changes one at a time. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#members = options.members;
    this.#version = options.version;
    this.#term = options.term;
    this.#primary = options.primary;
    this.#lastCsn = options.lastCsn;
  }

  get version(): number {
    return this.#version;
  }

  get term(): number {
    return this.#term;
  }

  get primary(): string | null {
    return this.#primary;
  }

  get members(): readonly MemberEntry[] {
    return this.#members;
  }

  get active(): readonly string[] {
    return this.#members.filter((member) => member.state === 'active').map((member) => member.id);
  }

  entry(id: string): MemberEntry | undefined {
    return this.#members.find((member) => member.id === id);
  }

  /**
   * Applies one event. Resolves when the outcome is on disk and in effect; undefined when nothing changed. Throws when
   * the event does not apply, when the last active member would go, or when the record could not be made.
   */
  change(
    id: string,
    event: MemberEvent,
    reason: string,
    options: ChangeOptions = {},
  ): Promise<MembershipChange | undefined> {
    return this.#inTurn(async () => {
      const before = this.entry(id);
      if (before === undefined) throw unknownMember(id, this.#members);
      const step = memberStates[before.state][event];
      if (step === 'refuse') {
        throw new LockstepError({
          code: 'cluster.event-refused',
          message: `member ${id} is ${before.state}: ${event} does not apply`,
          hint:
            before.state === 'held'
              ? `An operator took it out; to bring it back: lockstep member activate ${id}`
              : '',
        });
      }
      if (step === 'same') return undefined;
      if (before.state === 'active' && this.active.length === 1) {
        throw new LockstepError({
          code: 'cluster.last-active-member',
          message: `member ${id} is the last active one and stays active: ${reason}`,
          hint: 'Bring another member back first.',
        });
      }
      const after = entryAfter(before, step, reason, this.#options.clock.wallTime(), options);
      const members = this.#members.map((member) => (member.id === id ? after : member));
      try {
        await this.#record(members, this.#version + 1, options.primary ?? this.#primary);
      } catch (error) {
        if (step !== 'active') throw error;
        // Either record may be on the disk now. A member that the next start may trust must miss nothing from here on.
        this.#members = members;
        this.#version += 1;
      }
      return { before, after, version: this.#version };
    });
  }

  /** A new member. It is inactive until it has been brought level. `recorded` is called before anyone can see it here. */
  admit(member: { readonly id: string; readonly url: string }, recorded: () => void): Promise<void> {
    return this.#inTurn(async () => {
      if (this.entry(member.id) !== undefined) throw alreadyMember(member.id);
      const reason = 'it is new, and has to be brought level';
      const since = this.#now();
      // It may have been a member before, and nobody remembers.
      const entry: MemberEntry = {
        ...member,
        state: 'inactive',
        reason,
        since,
        leaving: false,
        wholeUpToCsn: 0,
      };
      await this.#record([...this.#members, entry], this.#version + 1, this.#primary, recorded);
    });
  }

  /** Its rows differ. Recorded before it is taken out, so that what it has missed is not all that it is given back. */
  accuse(id: string): Promise<void> {
    return this.#inTurn(async () => {
      if (this.entry(id) === undefined) throw unknownMember(id, this.#members);
      const members = this.#members.map((member) =>
        member.id === id ? { ...member, differs: true } : member,
      );
      await this.#record(members, this.#version + 1, this.#primary);
    });
  }

  /** The member is held, and on its way out: whatever happens from here on, it does not come back by itself. */
  leave(id: string): Promise<void> {
    return this.#inTurn(async () => {
      const before = this.entry(id);
      if (before === undefined) throw unknownMember(id, this.#members);
      if (before.state === 'active') throw stillActive(id);
      const reason = leavingReason(id);
      const after: MemberEntry = { ...before, state: 'held', reason, since: this.#now(), leaving: true };
      const members = this.#members.map((member) => (member.id === id ? after : member));
      await this.#record(members, this.#version + 1, this.#primary);
    });
  }

  /** Nothing is remembered of a member that left. */
  forget(id: string): Promise<void> {
    return this.#inTurn(async () => {
      if (this.entry(id)?.leaving !== true) throw unknownMember(id, this.#members);
      const members = this.#members.filter((member) => member.id !== id);
      await this.#record(members, this.#version + 1, this.#primary);
    });
  }

  movePrimary(primary: string): Promise<void> {
    return this.#inTurn(() => this.#record(this.#members, this.#version + 1, primary));
  }

  /** The first record of a term, made before the term is raised in any member. */
  begin(term: number): Promise<void> {
    return this.#inTurn(async () => {
      this.#term = term;
      await this.#record(this.#members, this.#version + 1, this.#primary);
    });
  }

  /** So far every place in the order is decided, and the primary lacks nothing. */
  noteCsn(csn: number): void {
    this.#lastCsn = csn;
  }

  async #record(
    members: readonly MemberEntry[],
    version: number,
    primary: string | null,
    recorded: () => void = () => undefined,
  ): Promise<void> {
    const state: NodeState = {
      clusterId: this.#options.clusterId,
      term: this.#term,
      version,
      members: members.map(remembered),
      primary,
      lastCsn: this.#lastCsn,
    };
    await this.#options.store.save(state);
    recorded();
    this.#members = members;
    this.#version = version;
    this.#primary = primary;
  }

  #now(): string {
    return this.#options.clock.wallTime().toISOString();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(work);
    this.#queue = turn.catch(() => undefined);
    return turn;
  }
}

export function unknownMember(id: string, members: readonly { readonly id: string }[]): LockstepError {
  return new LockstepError({
    code: 'cluster.unknown-member',
    message: `there is no member ${id}`,
    hint: `Members are: ${members.map((member) => member.id).join(', ')}`,
  });
}

function alreadyMember(id: string): LockstepError {
  return new LockstepError({ code: 'cluster.member-exists', message: `there is a member ${id} already` });
}

function stillActive(id: string): LockstepError {
  return new LockstepError({
    code: 'cluster.member-active',
    message: `member ${id} is active`,
    hint: `First: lockstep member deactivate ${id}`,
  });
}

/** What an operator is told who finds the removal half-way, after a crash. */
export function leavingReason(id: string): string {
  return `its removal was begun; lockstep member remove ${id} finishes it, lockstep sync ${id} takes it back`;
}

/** Whoever becomes active leaves behind what was wrong with it. */
export function entryAfter(
  before: MemberEntry,
  state: MemberState,
  reason: string,
  now: Date,
  { wholeUpToCsn = before.wholeUpToCsn, differs = before.differs }: ChangeOptions = {},
): MemberEntry {
  const { id, url } = before;
  const since = now.toISOString();
  if (state === 'active') return { id, url, state, reason: undefined, since, leaving: false };
  return {
    id,
    url,
    state,
    reason,
    since,
    leaving: false,
    ...(wholeUpToCsn === undefined ? {} : { wholeUpToCsn }),
    ...(differs === true ? { differs } : {}),
  };
}

function remembered({ state, reason, leaving, ...more }: MemberEntry): RememberedMember {
  return {
    ...more,
    active: state === 'active',
    ...(reason === undefined ? {} : { reason }),
    held: state === 'held',
    ...(leaving ? { leaving } : {}),
  };
}

/** From what was remembered. A configured member that is not remembered has never been trusted. */
export function entryOf(
  member: { id: string; url: string },
  memory: RememberedMember | undefined,
  now: Date,
): MemberEntry {
  if (memory === undefined) {
    return {
      id: member.id,
      url: member.url,
      state: 'new',
      reason: 'never yet part of the cluster',
      since: now.toISOString(),
      leaving: false,
      // It may have been, and nobody remembers.
      wholeUpToCsn: 0,
    };
  }
  const { active, held, leaving = false, ...more } = memory;
  const state = active ? 'active' : held ? 'held' : 'inactive';
  return { ...more, url: member.url, state, reason: memory.reason, leaving };
}
