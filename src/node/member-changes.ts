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

import { invariant, LockstepError, messageOf } from '../base/index.ts';
import type { Authority, CommandResult, NewMember } from '../admin/index.ts';
import type { Cluster } from '../cluster/index.ts';
import { planMember, planWithoutMember, takeApart } from '../config/index.ts';
import type { Config, RunningConfig } from '../config/index.ts';
import {
  comparePreflight,
  detachMember,
  explainConnection,
  preflightMember,
} from '../dialects/postgres/index.ts';
import type { PreflightReport } from '../dialects/postgres/index.ts';
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
      const plan = await planMember(this.#running, takeApart(wanted));
      const added = this.#built.build(plan.member);
      await this.#prove(added);
      await plan.apply();
      const { url, weight } = added.config;
      await this.#cluster.moves.add({ member: added.member, url, weight });
      this.#built.add(added);
    });
  }

  /** Resolves when it is in neither any more. `stopSync` ends what brings it level. */
  remove(id: string, stopSync: () => Promise<unknown>): Promise<BuiltMember> {
    return this.#inTurn(async () => {
      const plan = await planWithoutMember(this.#running, id);
      const leaving = this.#built.members.find(({ config }) => config.id === id);
      invariant(leaving !== undefined, 'whoever is removed is a member');
      await stopSync();
      await this.#cluster.moves.remove(id, () =>
        plan.apply().catch((error: unknown) => {
          throw halfRemoved(id, error);
        }),
      );
      this.#built.remove(id);
      return leaving;
    });
  }

  /**
   * A database that was removed takes writes of its own again. That it is no member is proven twice: by the name in its marks, and
   * where a member bears that name now, by what each of the two is.
   */
  free(wanted: BuiltMember): Promise<CommandResult> {
    return this.#inTurn(async () => {
      const { marks, traits } = await this.#preflight(wanted);
      if (marks === undefined) {
        return { changed: false, message: 'There is nothing of Lockstep in this database.' };
      }
      const { clusterId, memberId } = marks;
      if (clusterId !== this.#config.cluster) {
        throw notOurs(
          `it belongs to the cluster ${clusterId}`,
          'Free it from the console of that cluster, or with `lockstep detach`.',
        );
      }
      const namesake = this.#built.members.find(({ config }) => config.id === memberId);
      if (namesake !== undefined) {
        const its = await this.#preflight(namesake);
        if (
          traits === undefined ||
          its.traits === undefined ||
          whichDatabase(traits.identity) === whichDatabase(its.traits.identity)
        )
          throw notOurs(`it is the member ${memberId} of this cluster`, `Remove ${memberId} first.`);
      }
      return { changed: true, message: await freeMember(wanted) };
    });
  }

  get #running(): RunningConfig {
    const { file, cluster } = this.#config;
    return { file, cluster, members: this.#built.members.map(({ config }) => config) };
  }

  /** It can be a member, as far as can be seen from outside; what it holds is looked at when it is brought level. */
  async #prove(added: BuiltMember): Promise<void> {
    const { config } = added;
    const primary = this.#built.members.find((one) => one.config.id === this.#cluster.primary.id);
    invariant(primary !== undefined, 'the primary is a member');
    const reports = new Map([
      [primary.config.id, await this.#preflight(primary)],
      [added.config.id, await this.#preflight(added)],
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

  async #preflight({ member, config }: BuiltMember): Promise<PreflightReport> {
    try {
      return await member.useBare((connection) =>
        preflightMember(connection, {
          memberId: member.id,
          clusterId: this.#config.cluster,
          clients: clientRoles(this.#config),
          candidate: true,
        }),
      );
    } catch (error) {
      const { found, cure } = explainConnection(error, config);
      throw new LockstepError({
        code: 'node.member-unreachable',
        message: `${member.id} cannot be looked at: ${found}`,
        hint: cure,
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

/** Nobody writes to it as a member any more. */
export async function freeMember({ member }: BuiltMember): Promise<string> {
  const { removed } = await member.useBare((connection) => detachMember(connection));
  return removed
    ? 'Its database is an ordinary one again: it takes writes, and its data are as they were.'
    : 'There was nothing of Lockstep in its database.';
}

/** Without when its server was started: that changes, the database does not. */
function whichDatabase(identity: string): string {
  return identity.split(' ').slice(0, 2).join(' ');
}

function notOurs(why: string, hint: string): LockstepError {
  return new LockstepError({
    code: 'node.database-not-free',
    message: `this database is left as it is: ${why}`,
    field: 'url',
    hint,
  });
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
