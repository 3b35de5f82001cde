/** Kill -9 of one thing, again and again under load, and every now and then a look at what is left. */

import { pause, systemClock } from '../../base/index.ts';
import { SeededRandom } from '../simulation/seeded-random.ts';
import { Crew } from './crew.ts';
import type { CrewOptions } from './crew.ts';
import type { Conviction } from './judge.ts';
import { Story } from './story.ts';
import type { StageMember } from './stage.ts';
import { TortureHistory } from './torture-history.ts';
import { judgeRound } from './verdict.ts';
import type { WorkName } from './work/index.ts';

/** What is killed: a node, its members in turn, or another system that does the same job. */
export interface Victim {
  readonly address: CrewOptions['address'];
  readonly members: readonly Pick<StageMember, 'id' | 'ask'>[];
  /** Kills it and brings it back. `turn` counts from 0. */
  kill(turn: number): Promise<void>;
  /** Resolves when all members should be equal, with what is missing if anything is. The clients have stopped. */
  rest(): Promise<string | undefined>;
}

export interface KillLoopOptions {
  readonly times: number;
  readonly clients: number;
  readonly seed: number;
  readonly show: (line: string) => void;
  readonly signal: AbortSignal;
}

export interface KillLoopReport {
  readonly kills: number;
  readonly looks: number;
  readonly acknowledged: number;
  readonly inDoubt: number;
  /** Acknowledged operations that some member lacks in the end. */
  readonly lost: number;
  /** Rows, definitions and positions in which members differ in the end. */
  readonly differences: number;
  /** After so many kills the first broken promise was seen. */
  readonly firstBrokenAfter: number | undefined;
  readonly convictions: readonly Conviction[];
}

/**
 * Nothing here that a system which repeats statements would be known to do otherwise: no chance, no time, no sequence, no
 * schema statement.
 */
const works: readonly WorkName[] = ['list', 'transfer', 'sum', 'claim', 'increment', 'read back', 'copy'];

const killsBetweenLooks = 20;
const answerMs = 30_000;
/** Between two kills so much is acknowledged, or so long is waited. */
const workBetween = { operations: 12, giveUpMs: 10_000 };
const controlWork = { operations: 1500, giveUpMs: 120_000 };
const instantMs = 150;
const shownMax = 10;

export async function killAgainAndAgain(victim: Victim, options: KillLoopOptions): Promise<KillLoopReport> {
  const { times, clients, seed, show, signal } = options;
  const story = new Story(show);
  const random = new SeededRandom(seed);
  const history = new TortureHistory();
  const convictions: Conviction[] = [];
  let [kills, looks, lost, differences] = [0, 0, 0, 0];
  let firstBrokenAfter: number | undefined;
  // Without any kill there is one look: whether the work alone leaves members equal.
  while ((kills < times || looks === 0) && !signal.aborted) {
    looks += 1;
    history.lists = [];
    const crew = new Crew({
      clients,
      address: victim.address,
      works,
      answerMs,
      thinkMs: 0,
      random: random.fork(),
      history,
      round: looks,
    });
    const goal = Math.min(times, kills + killsBetweenLooks);
    while (kills < goal && !signal.aborted) {
      await crew.more(workBetween.operations, workBetween.giveUpMs);
      await pause(systemClock, random.between(0, instantMs));
      await victim.kill(kills);
      kills += 1;
    }
    const last = times === 0 ? controlWork : workBetween;
    await crew.more(last.operations, last.giveUpMs);
    await crew.stop();
    const missing = await victim.rest();
    const verdict = await judgeRound(victim.members, history, crew.lists.prefix);
    ({ lost, differences } = verdict);
    const found = [...(missing === undefined ? [] : [{ by: 'node', what: missing }]), ...verdict.convictions];
    if (found.length > 0) firstBrokenAfter ??= kills;
    for (const one of found.slice(0, Math.max(0, shownMax - convictions.length)))
      story.tell(`BROKEN, ${one.by}: ${one.what}`);
    convictions.push(...found);
    story.tell(
      `${kills} kills: ${history.acknowledged} operations acknowledged; lost ${lost}, differences ${differences}`,
    );
  }
  const inDoubt = history.operations.filter(({ outcome }) => outcome === 'unknown').length;
  const { acknowledged } = history;
  return { kills, looks, acknowledged, inDoubt, lost, differences, firstBrokenAfter, convictions };
}
