/** Makes the planned faults happen, each at its time, and ends each. */

import { messageOf, pause, systemClock } from '../../../base/index.ts';
import type { Stage, StageMember } from '../stage.ts';
import type { Story } from '../story.ts';
import { faultKinds } from './fault.ts';
import type { FaultKind, FaultName } from './fault.ts';
import type { PlannedFault } from './fault-plan.ts';

export interface PlayOptions {
  readonly stage: Stage;
  readonly plan: readonly PlannedFault[];
  readonly story: Story;
  readonly onFault: (name: FaultName) => void;
  /** A node has started while not every member could be reached. */
  readonly onBlindStart: () => void;
  readonly signal: AbortSignal;
}

/** Resolves when all of them have been ended. */
export async function playFaults({ plan, signal, ...options }: PlayOptions): Promise<void> {
  const startedMs = systemClock.monotonicMs();
  const player = new Player({ ...options, signal });
  const under: Promise<void>[] = [];
  for (const fault of plan) {
    await pause(systemClock, startedMs + fault.atMs - systemClock.monotonicMs(), signal);
    if (signal.aborted) break;
    under.push(player.play(fault));
  }
  await Promise.all(under);
}

class Player {
  readonly #options: Omit<PlayOptions, 'plan'>;
  /** Ids of members, or what else is hit: never two faults in one place. */
  readonly #busy = new Set<string>();
  #memberWellMs = -Infinity;

  constructor(options: Omit<PlayOptions, 'plan'>) {
    this.#options = options;
  }

  async play(fault: PlannedFault): Promise<void> {
    const { stage, story, signal, onFault } = this.#options;
    const kind: FaultKind = faultKinds[fault.name];
    const member = await chooseMember(stage, fault);
    const on = kind.target === 'member' ? member.id : kind.target;
    if (!this.#mayBegin(kind, on)) return;
    this.#busy.add(on);
    onFault(fault.name);
    const where = kind.target === 'member' ? ` (${member.id})` : '';
    const beganMs = systemClock.monotonicMs();
    try {
      story.tell(`fault ${fault.name}${where}: ${kind.what}`);
      await kind.begin(stage, member);
      await pause(systemClock, fault.lastsMs, signal);
      await kind.end(stage, member);
      if (kind.lastsMsMax > 0) story.tell(`ended ${fault.name}${where}`);
    } catch (error) {
      // Two faults may meet in one place; healing puts right what is left.
      story.tell(`${fault.name}${where} did not work: ${messageOf(error)}`);
    } finally {
      this.#busy.delete(on);
      if (kind.target === 'node') this.#judgeStart(beganMs);
      else this.#memberWellMs = systemClock.monotonicMs();
    }
  }

  #mayBegin(kind: FaultKind, on: string): boolean {
    if (this.#busy.has(on)) return false;
    if (kind.target === 'all') return !this.#membersSuffer;
    return kind.target !== 'member' || !this.#busy.has('all');
  }

  #judgeStart(nodeLostMs: number): void {
    if (this.#membersSuffer || this.#memberWellMs >= nodeLostMs) this.#options.onBlindStart();
  }

  get #membersSuffer(): boolean {
    return [...this.#busy].some((on) => on !== 'node' && on !== 'clients');
  }
}

async function chooseMember(stage: Stage, { target }: PlannedFault): Promise<StageMember> {
  const primary = target === 'primary' ? (await stage.status())?.primary : undefined;
  const member =
    stage.members.find(({ id, place }) => id === primary || place === target) ?? stage.members[0];
  if (member === undefined) throw new RangeError('the stage has no members');
  return member;
}
