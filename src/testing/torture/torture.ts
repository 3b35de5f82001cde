/** One run of the rig: rounds of load and faults, each healed and judged. See DESIGN.md. */

import { copyFile, mkdir, mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LockstepError, pause, systemClock } from '../../base/index.ts';
import { findPostgresTool } from '../postgres/binaries.ts';
import { whyNoSmallDisk } from '../postgres/small-disk.ts';
import { SeededRandom } from '../simulation/seeded-random.ts';
import { Crew } from './crew.ts';
import { faultKinds, faultNames } from './faults/fault.ts';
import type { FaultKind, FaultName } from './faults/fault.ts';
import { drawPlan } from './faults/fault-plan.ts';
import { playFaults } from './faults/play-faults.ts';
import { makeTables, startNode } from './first-start.ts';
import type { Conviction } from './judge.ts';
import { NodeNamespace } from './namespace.ts';
import { Stage } from './stage.ts';
import { Story } from './story.ts';
import { TortureHistory } from './torture-history.ts';
import { judgeRound } from './verdict.ts';
import { workNames } from './work/index.ts';
import type { WorkName } from './work/index.ts';

export interface TortureOptions {
  readonly seed: number;
  /** Of load and faults together; healing and judging come on top. */
  readonly seconds: number;
  readonly clients: number;
  /** Default: all that are possible here. */
  readonly faults?: readonly FaultName[] | undefined;
  /** The user's own empty databases; default: three servers of our own. */
  readonly members?: readonly string[] | undefined;
  /** Milliseconds between two operations of a client. Default: none. */
  readonly thinkMs?: number;
  /** Where a convicted run leaves its history. */
  readonly evidenceDir: string;
  readonly show: (line: string) => void;
  readonly signal: AbortSignal;
  /** Called once everything runs; what it returns is called before the end. */
  readonly watch?: (stage: Stage) => () => void;
}

export interface TortureReport {
  readonly seed: number;
  readonly rounds: number;
  readonly operations: number;
  readonly acknowledged: number;
  readonly inDoubt: number;
  readonly errors: number;
  /** How often each fault happened. */
  readonly faults: Readonly<Record<string, number>>;
  /** None: every promise was kept. */
  readonly convictions: readonly Conviction[];
  /** Where the evidence is, when there are convictions. */
  readonly evidence: string | undefined;
}

const roundMs = 60_000;
const answerMs = 90_000;
const healMs = 300_000;
/** After healing the clients go on for so long at most while members come back. */
const goOnMs = 20_000;
const diskSize = '640m';

export async function torture(options: TortureOptions): Promise<TortureReport> {
  const dir = await mkdtemp(join(tmpdir(), 'lockstep-torture-'));
  const run = new TortureRun(options, dir);
  try {
    return await run.play();
  } finally {
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

class TortureRun {
  readonly #options: TortureOptions;
  readonly #dir: string;
  readonly #story: Story;
  readonly #history = new TortureHistory();
  readonly #faults: readonly FaultName[];
  readonly #works: readonly WorkName[];
  readonly #happened: Record<string, number> = {};
  readonly #convictions: Conviction[] = [];
  #rounds = 0;

  constructor(options: TortureOptions, dir: string) {
    this.#options = options;
    this.#dir = dir;
    this.#story = new Story(options.show);
    this.#faults = possibleFaults(options, (line) => this.#story.tell(line));
    this.#works = possibleWorks(options, (line) => this.#story.tell(line));
  }

  async play(): Promise<TortureReport> {
    const { options, story } = { options: this.#options, story: this.#story };
    story.tell(
      `seed ${options.seed}, ${options.clients} clients, ${options.seconds} s, faults: ${this.#faults.join(' ')}`,
    );
    const stage = await this.#setStage();
    let evidence: string | undefined;
    try {
      await startNode(stage);
      await makeTables(stage, options.clients);
      const stopWatching = options.watch?.(stage);
      await this.#playRounds(stage);
      stopWatching?.();
      if (this.#convictions.length > 0) evidence = await this.#keepEvidence();
    } finally {
      await stage.strike();
    }
    const { history } = { history: this.#history };
    return {
      seed: options.seed,
      rounds: this.#rounds,
      operations: history.operations.length,
      acknowledged: history.acknowledged,
      inDoubt: history.operations.filter(({ outcome }) => outcome === 'unknown').length,
      errors: history.errors.length,
      faults: this.#happened,
      convictions: this.#convictions,
      evidence,
    };
  }

  #setStage(): Promise<Stage> {
    const { members } = this.#options;
    const ours = members === undefined;
    return Stage.set({
      dir: this.#dir,
      members,
      diskSize: ours && this.#faults.includes('disk') ? diskSize : undefined,
      namespace: ours && this.#faults.includes('partition') && NodeNamespace.whyNot() === undefined,
      story: this.#story,
      onCrash: (how) => this.#convict({ by: 'node', what: `the node ended by itself, ${how}` }),
    });
  }

  async #playRounds(stage: Stage): Promise<void> {
    const { seed, seconds, signal } = this.#options;
    const random = new SeededRandom(seed);
    let leftMs = seconds * 1000;
    while (leftMs > 0 && this.#convictions.length === 0 && !signal.aborted) {
      // No stump of a round at the end.
      const durationMs = leftMs < 1.5 * roundMs ? leftMs : roundMs;
      leftMs -= durationMs;
      this.#rounds += 1;
      await this.#playRound(stage, random.fork(), durationMs);
    }
  }

  async #playRound(stage: Stage, random: SeededRandom, durationMs: number): Promise<void> {
    const { clients, thinkMs = 0, signal } = this.#options;
    const history = this.#history;
    history.lists = [];
    const before = history.acknowledged;
    const plan = drawPlan({
      random: random.fork(),
      durationMs,
      faults: this.#faults,
      members: stage.members.length,
    });
    const crew = new Crew({
      clients,
      address: stage.address,
      works: this.#works,
      answerMs,
      thinkMs,
      random: random.fork(),
      history,
      round: this.#rounds,
    });
    const endMs = systemClock.monotonicMs() + durationMs;
    await playFaults({
      stage,
      plan,
      story: this.#story,
      onFault: (name) => (this.#happened[name] = (this.#happened[name] ?? 0) + 1),
      onBlindStart: () => (history.mayVanishUpTo = history.moment()),
      signal,
    });
    await pause(systemClock, endMs - systemClock.monotonicMs(), signal);
    await this.#healAndJudge(stage, crew);
    this.#story.tell(
      `round ${this.#rounds}: ${history.acknowledged - before} operations acknowledged, ${this.#convictions.length === 0 ? 'every promise kept' : 'convicted'}`,
    );
  }

  async #healAndJudge(stage: Stage, crew: Crew): Promise<void> {
    this.#story.tell('healing');
    await stage.heal();
    await stage.untilAllActive(goOnMs);
    await crew.stop();
    const missing = await stage.untilAllActive(healMs);
    if (missing !== undefined) {
      // Members that are not active are not promised to be equal.
      this.#convict({ by: 'node', what: `after healing, ${missing}` });
      return;
    }
    const { convictions } = await judgeRound(stage.members, this.#history, crew.lists.prefix);
    for (const one of convictions) this.#convict(one);
  }

  #convict(conviction: Conviction): void {
    this.#convictions.push(conviction);
    this.#story.tell(`BROKEN, ${conviction.by}: ${conviction.what}`);
  }

  async #keepEvidence(): Promise<string> {
    const target = join(this.#options.evidenceDir, `torture-${this.#options.seed}`);
    await mkdir(target, { recursive: true });
    await writeFile(join(target, 'story.txt'), `${this.#story.lines.join('\n')}\n`);
    await writeFile(
      join(target, 'errors.txt'),
      this.#history.errors
        .map(
          ({ atMs, session, work, message }) =>
            `${this.#story.secondOf(atMs)}  ${session} ${work}: ${message}\n`,
        )
        .join(''),
    );
    const file = await open(join(target, 'history.jsonl'), 'w');
    for (const line of this.#history.lines()) await file.write(line);
    await file.close();
    await copyFile(join(this.#dir, 'node.log'), join(target, 'node.log'));
    const members = join(this.#dir, 'members');
    for (const name of await readdir(members).catch(() => []))
      await copyFile(join(members, name, 'server.log'), join(target, `${name}.log`)).catch(() => undefined);
    return target;
  }
}

/** A primary that is lost with a schema statement that nobody else has comes back by a copy of the schema. */
function possibleWorks({ members }: TortureOptions, tell: (line: string) => void): readonly WorkName[] {
  if (members !== undefined || findPostgresTool('pg_dump') !== undefined) return workNames;
  tell('without schema statements: there is no pg_dump to bring back a member whose schema went another way');
  return workNames.filter((name) => name !== 'schema');
}

/** Those that were asked for; by default those that can be had. */
function possibleFaults(options: TortureOptions, tell: (line: string) => void): readonly FaultName[] {
  const whyNot = (name: FaultName): string | undefined => {
    const { needs }: FaultKind = faultKinds[name];
    if (needs !== undefined && options.members !== undefined) return 'the members are not ours';
    return needs === 'small disk' ? whyNoSmallDisk() : undefined;
  };
  return (options.faults ?? faultNames).filter((name) => {
    const reason = whyNot(name);
    if (reason === undefined) return true;
    if (options.faults !== undefined)
      throw new LockstepError({
        code: 'testing.no-fault',
        message: `${name} is not possible here: ${reason}`,
      });
    tell(`without ${name}: ${reason}`);
    return false;
  });
}
