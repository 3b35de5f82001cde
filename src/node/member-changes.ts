/**
 * Members that come and go while the node runs. The configuration file and what the node remembers change one after the
 * other, and either order of them is chosen so that a crash in between is harmless:
 *
 * | it ends                           | the file   | remembered   | the next start                                        |
 * |-----------------------------------|------------|--------------|-------------------------------------------------------|
 * | adding: before the file           | without it | without it   | nothing has happened                                  |
 * | adding: between file and record   | with it    | without it   | a new member: inactive, brought level as it would be  |
 * | removing: before the file         | with it    | held, leaves | held; the reason names the commands that go on or back |
 * | removing: between file and record | without it | held, leaves | it is forgotten, and an event says so                 |
 *
 * A file that cannot be changed, or that does not name the members that the node has, stops the whole before anything
 * is done. Whoever manages the file changes it then, and the same command goes on from there.
 */

import { LockstepError, messageOf } from '../base/index.ts';
import type { Authority, NewMember } from '../admin/index.ts';
import type { Cluster } from '../cluster/index.ts';
import { planMember, planWithoutMember } from '../config/index.ts';
import type { Config, RunningConfig } from '../config/index.ts';
import { comparePreflight, preflightMember } from '../dialects/postgres/index.ts';
import type { PostgresMember, PreflightReport } from '../dialects/postgres/index.ts';
import { clientRoles } from './door-of.ts';
import type { BuiltMember, BuiltMembers } from './build-members.ts';
import { checkCandidate } from './node-settings.ts';

/** They come with the schema. */
const broughtAlong = ['extensions'];

export class MemberChanges {
  readonly #config: Config;
  readonly #cluster: Cluster;
  readonly #built: BuiltMembers;
  /** One at a time. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(parts: { readonly config: Config; readonly cluster: Cluster; readonly built: BuiltMembers }) {
    this.#config = parts.config;
    this.#cluster = parts.cluster;
    this.#built = parts.built;
  }

  /** Resolves when it is in the file and remembered, inactive. */
  add(wanted: NewMember, by: Authority): Promise<void> {
    return this.#inTurn(async () => {
      if (by === 'operator') checkCandidate(wanted, this.#config, this.#built.members);
      if (this.#cluster.membership.entry(wanted.id) !== undefined) throw existing(wanted.id);
      const plan = await planMember(this.#running, wanted);
      const added = this.#built.build(plan.member);
      await this.#prove(added);
      await plan.apply();
      const { url, weight } = added.config;
      await this.#cluster.moves.add({ member: added.member, url, weight });
      this.#built.add(added);
    });
  }

  /** Resolves when it is in neither any more. `stopSync` ends what brings it level. */
  remove(id: string, stopSync: () => Promise<unknown>): Promise<void> {
    return this.#inTurn(async () => {
      const plan = await planWithoutMember(this.#running, id);
      await stopSync();
      await this.#cluster.moves.remove(id, () =>
        plan.apply().catch((error: unknown) => {
          throw halfRemoved(id, error);
        }),
      );
      this.#built.remove(id);
    });
  }

  get #running(): RunningConfig {
    const { file, cluster } = this.#config;
    return { file, cluster, members: this.#built.members.map(({ config }) => config) };
  }

  /** It can be a member, as far as can be seen from outside; what it holds is looked at when it is brought level. */
  async #prove({ member, config }: BuiltMember): Promise<void> {
    const primary = this.#cluster.primary as PostgresMember;
    const reports = new Map([
      [primary.id, await this.#preflight(primary)],
      [config.id, await this.#preflight(member)],
    ]);
    const findings = [...(reports.get(config.id)?.items ?? []), ...comparePreflight(reports)];
    const failed = findings.filter(({ ok, name }) => ok === 'fail' && !broughtAlong.includes(name));
    if (failed.length === 0) return;
    const cures = failed.flatMap(({ cure }) => (cure === undefined ? [] : [cure]));
    throw new LockstepError({
      code: 'node.member-unfit',
      message: `${config.id} cannot be a member yet: ${failed.map(({ name, found }) => `${name}: ${found}`).join('; ')}`,
      hint: [...cures, 'Then repeat the command.'].join('\n'),
    });
  }

  async #preflight(member: PostgresMember): Promise<PreflightReport> {
    try {
      return await member.useBare((connection) =>
        preflightMember(connection, {
          memberId: member.id,
          clusterId: this.#config.cluster,
          clients: clientRoles(this.#config),
        }),
      );
    } catch (error) {
      throw new LockstepError({
        code: 'node.member-unreachable',
        message: `${member.id} cannot be looked at: ${messageOf(error)}`,
        hint: 'Start the server, and check url, username and password.',
        cause: error,
      });
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(work);
    this.#queue = turn.catch(() => undefined);
    return turn;
  }
}

function existing(id: string): LockstepError {
  return new LockstepError({ code: 'cluster.member-exists', message: `there is a member ${id} already` });
}

/** The file was changed, or became unwritable, after it had been looked at. */
function halfRemoved(id: string, error: unknown): LockstepError {
  return new LockstepError({
    code: 'node.member-leaving',
    message: `member ${id} is out and stays out, but the configuration still names it: ${messageOf(error)}`,
    outcome: 'unknown',
    hint: `Repeat the command. To take it back instead: lockstep sync ${id}`,
    cause: error,
  });
}
