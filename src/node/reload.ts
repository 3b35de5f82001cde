/**
 * The configuration file, read again. It is checked as a whole and everything that can fail is made ready before anything
 * changes; then all that can be taken over is in force in one moment. What cannot is named, and waits for a new start.
 */

import { LockstepError, messageOf } from '../base/index.ts';
import type { ReloadResult } from '../admin/index.ts';
import type { Cluster } from '../cluster/index.ts';
import { changedOptions, loadConfig, takeLive } from '../config/index.ts';
import type { Config } from '../config/index.ts';
import type { EngineEventBody } from '../telemetry/index.ts';
import { tryMembers } from './try-members.ts';
import type { ConfigWatch } from './config-watch.ts';
import type { BuiltMembers } from './build-members.ts';
import type { ConfigInForce } from './config-in-force.ts';

export interface ReloadParts {
  readonly inForce: ConfigInForce;
  readonly cluster: Cluster;
  readonly built: BuiltMembers;
  /** Makes ready what others need of it; what it resolves with puts that in force, and cannot fail. */
  prepare(config: Config): Promise<() => void>;
  readonly watch: ConfigWatch;
  readonly setLogLevel: (level: Config['logging']['level']) => void;
  raise(event: EngineEventBody): void;
}

export class Reload {
  readonly #parts: ReloadParts;
  /** One at a time. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(parts: ReloadParts) {
    this.#parts = parts;
  }

  /** Throws what is wrong with the file; nothing has changed then. */
  run(): Promise<ReloadResult> {
    const turn = this.#queue.then(() => this.#once());
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  async #once(): Promise<ReloadResult> {
    try {
      return await this.#takeOver();
    } catch (error) {
      this.#parts.raise({ type: 'config-refused', reason: messageOf(error) });
      throw error;
    }
  }

  async #takeOver(): Promise<ReloadResult> {
    const { inForce, built } = this.#parts;
    const { file } = inForce.now;
    const next = await loadConfig(file, process.env);
    const running = { ...inForce.now, members: built.members.map(({ config }) => config) };
    if (next.cluster !== running.cluster) throw anotherCluster(file, next.cluster);
    const { live, needsRestart } = changedOptions(running, next);
    const mayMove = await tryMembers({ cluster: this.#parts.cluster, built }, next);
    const taken = takeLive(running, next);
    const putInForce = await this.#parts.prepare(taken);
    // From here on nothing waits and nothing fails.
    inForce.take(taken);
    putInForce();
    this.#tell(running, taken);
    this.#move(taken, mayMove);
    this.#parts.raise({ type: 'config-reloaded', applied: live, needsRestart });
    const lost = running.members
      .map(({ id }) => id)
      .filter((id) => !next.members.some((one) => one.id === id));
    await this.#parts.watch.take();
    const message = `${sentence(
      live,
      needsRestart.filter((path) => path !== 'members'),
    )}${lostSentence(lost)}`;
    return { changed: live.length > 0, message, applied: live, needsRestart };
  }

  /**
   * Members are reached elsewhere, or log in with another password. One that has begun to take part meanwhile, where that was not
   * proven to be the same server, stays where it is; the file is read again when it is out.
   */
  #move({ members }: Config, mayMove: ReadonlySet<string>): void {
    const { built, cluster } = this.#parts;
    for (const wanted of members) {
      const present = built.members.find(({ config }) => config.id === wanted.id);
      if (present === undefined) continue;
      const { config, member } = present;
      const isBusy =
        cluster.membership.entry(wanted.id)?.state === 'active' ||
        cluster.sync.statusOf(wanted.id)?.state === 'running';
      if (config.url !== wanted.url && isBusy && !mayMove.has(wanted.id)) continue;
      built.relocate(wanted.id, wanted);
      // What it keeps open leads to where it was.
      if (config.url !== wanted.url && !isBusy) member.close();
    }
  }

  /** Those who do not read what is in force by themselves. */
  #tell(before: Config, { logging, members, verification }: Config): void {
    const { built, cluster, setLogLevel } = this.#parts;
    for (const { id, weight } of members) {
      built.reweigh(id, weight);
      cluster.load(id).weight = weight;
    }
    const { everyMinutes, window } = before.verification;
    const isSame = JSON.stringify(verification.window) === JSON.stringify(window);
    if (verification.everyMinutes !== everyMinutes || !isSame) cluster.verification.reschedule();
    setLogLevel(logging.level);
  }
}

function sentence(applied: readonly string[], needsRestart: readonly string[]): string {
  const taken = applied.length === 0 ? 'Nothing has changed that' : `Taken over: ${applied.join(', ')}.`;
  const rest = needsRestart.join(', ');
  if (applied.length > 0) return rest === '' ? taken : `${taken} Only a new start takes over: ${rest}.`;
  return rest === ''
    ? 'The file says what is in force already.'
    : `${taken} can be taken over; only a new start takes over: ${rest}.`;
}

function lostSentence(lost: readonly string[]): string {
  if (lost.length === 0) return '';
  return ` The file lacks ${lost.join(', ')}, which the cluster has, and the node does not start with it: put it back, or remove it: lockstep member remove ${lost[0]}`;
}

function anotherCluster(file: string, cluster: string): LockstepError {
  return new LockstepError({
    code: 'node.another-cluster',
    message: `${file} is for the cluster ${cluster} now`,
    hint: 'Put the file of this node back.',
  });
}
