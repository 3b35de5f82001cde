/** Asks the active members regularly, each over its own connection, whether they can still commit. */

import { messageOf, withDeadline } from '../../base/index.ts';
import type { Clock } from '../../base/index.ts';
import { MemberError } from '../../dialects/contract.ts';
import type { Danger, Member } from '../../dialects/contract.ts';
import type { EngineEventBody } from '../../telemetry/index.ts';
import { judgeVitals } from './vitals.ts';

export interface ProbeSettings {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly threshold: number;
  /** Longest time between two looks at a member that does not answer. */
  readonly backOffMaxMs: number;
}

export interface ProberOptions {
  readonly clock: Clock;
  /** As they are in force. */
  readonly settings: () => ProbeSettings;
  readonly clusterId: string;
  members(): readonly Member[];
  term(): number;
  /** The last commit that the member is known to have. */
  confirmedCsn(id: string): number;
  /** The highest place that was given out. */
  lastOpened(): number;
  /** A regular probe has failed. What that means is decided elsewhere. */
  onUnfit(id: string, error: MemberError): void;
  /** Somebody has written to it around Lockstep, as it says itself. */
  onForeignWrite(id: string): void;
  raise(event: EngineEventBody): void;
}

/** For the first probe of a member that has become active. */
const firstMs = 5000;

export class Prober {
  readonly #options: ProberOptions;
  readonly #asking = new Map<string, Promise<MemberError | undefined>>();
  /** The first probe of each member since it is active; undefined when it is over. */
  readonly #first = new Map<string, Promise<MemberError | undefined> | undefined>();
  readonly #failing = new Set<string>();
  readonly #foreignWrites = new Map<string, number | null>();
  readonly #dangers = new Map<string, readonly Danger[]>();
  #cancel: (() => void) | undefined;

  constructor(options: ProberOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, settings } = this.#options;
    this.#cancel = clock.after(settings().intervalMs, () => {
      const members = this.#options.members();
      for (const id of this.#first.keys())
        if (!members.some((member) => member.id === id)) this.#first.delete(id);
      for (const member of members) void this.#watch(member);
      this.start();
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** What endangers the member's data, as it last said. */
  dangersOf(id: string): readonly Danger[] {
    return this.#dangers.get(id) ?? [];
  }

  /** Undefined: the member answered and can commit. Never rejects; never takes longer than the deadline of a probe. */
  ask(id: string): Promise<MemberError | undefined> {
    const member = this.#options.members().find((candidate) => candidate.id === id);
    if (member === undefined)
      return Promise.resolve(new MemberError(id, 'unfit', `member ${id} is not active`));
    const running = this.#asking.get(id);
    if (running !== undefined) return running;
    const { timeoutMs } = this.#options.settings();
    // What the first one has done by then is not given up: nobody would ever get further.
    const first = this.#first.get(id);
    const asked = first === undefined ? this.#probe(member, timeoutMs) : this.#inTime(id, timeoutMs, first);
    const asking = asked.finally(() => this.#asking.delete(id));
    this.#asking.set(id, asking);
    return asking;
  }

  async #watch(member: Member): Promise<void> {
    // The first one has more time than there is between two.
    if (this.#first.get(member.id) !== undefined) return;
    const error = this.#first.has(member.id) ? await this.ask(member.id) : await this.#askFirst(member);
    if (error === undefined) {
      if (this.#failing.delete(member.id))
        this.#options.raise({ type: 'member-recovered', member: member.id });
      return;
    }
    if (!this.#failing.has(member.id)) {
      this.#failing.add(member.id);
      this.#options.raise({ type: 'member-unfit', member: member.id, reason: error.message });
    }
    this.#options.onUnfit(member.id, error);
  }

  /**
   * A connection has to be made and the question to be planned, while a busy machine may have everything else to do for the same
   * reason. Only the regular probe has that time: an inquiry is over as soon as ever.
   */
  async #askFirst(member: Member): Promise<MemberError | undefined> {
    const first = this.#probe(member, Math.max(this.#options.settings().timeoutMs, firstMs));
    this.#first.set(member.id, first);
    try {
      return await first;
    } finally {
      if (this.#first.get(member.id) === first) this.#first.set(member.id, undefined);
    }
  }

  /** Never rejects. */
  async #inTime(
    id: string,
    ms: number,
    probe: Promise<MemberError | undefined>,
  ): Promise<MemberError | undefined> {
    try {
      return await withDeadline(this.#options.clock, ms, probe, () => notAnswered(id, ms));
    } catch (error) {
      return error instanceof MemberError ? error : new MemberError(id, 'gone', messageOf(error));
    }
  }

  async #probe(member: Member, timeoutMs: number): Promise<MemberError | undefined> {
    const { clock } = this.#options;
    const atLeastCsn = this.#options.confirmedCsn(member.id);
    try {
      const vitals = await withDeadline(clock, timeoutMs, member.probe(), () =>
        notAnswered(member.id, timeoutMs),
      );
      this.#noteDangers(member.id, vitals.dangers);
      this.#noteForeignWrites(member.id, vitals.foreignWrites);
      return judgeVitals(member.id, vitals, {
        clusterId: this.#options.clusterId,
        term: this.#options.term(),
        atLeastCsn,
        atMostCsn: this.#options.lastOpened(),
      });
    } catch (error) {
      member.close();
      // All its connections are taken: it answers, and those who have one go on.
      if (error instanceof MemberError && error.blame === 'retry') return undefined;
      return error instanceof MemberError ? error : new MemberError(member.id, 'gone', messageOf(error));
    }
  }

  #noteForeignWrites(id: string, writes: number | null): void {
    const isNews = writes !== null && writes !== this.#foreignWrites.get(id);
    this.#foreignWrites.set(id, writes);
    if (isNews) this.#options.onForeignWrite(id);
  }

  #noteDangers(id: string, dangers: readonly Danger[]): void {
    const known = new Set(this.dangersOf(id).map(({ what }) => what));
    this.#dangers.set(id, dangers);
    for (const { what, text } of dangers)
      if (!known.has(what)) this.#options.raise({ type: 'member-at-risk', member: id, risk: text });
  }
}

function notAnswered(id: string, ms: number): MemberError {
  return new MemberError(id, 'gone', `member ${id} has not answered a probe within ${ms} ms`);
}
