/** Members that are taken out, come and go for good: because something is wrong with them, or on an operator's word. */

import { messageOf } from '../base/index.ts';
import { MemberError } from '../dialects/contract.ts';
import type { ReplicaStreams } from './apply/replica-streams.ts';
import { nobodyIsLeft, notActive } from './cluster-errors.ts';
import type { CommitOrder } from './commits/commit-order.ts';
import { unknownMember } from './membership/membership.ts';
import type { Membership } from './membership/membership.ts';
import type { PrimaryMoves, WayOut } from './primary-moves.ts';
import type { Roster } from './roster.ts';
import type { Reactivation } from './sync/reactivation.ts';
import type { ClusterMember, MemberUser, World } from './world.ts';

export interface MemberMovesOptions {
  readonly world: World;
  readonly membership: Membership;
  readonly roster: Roster;
  readonly order: CommitOrder;
  readonly streams: ReplicaStreams;
  readonly users: ReadonlySet<MemberUser>;
  readonly primary: () => PrimaryMoves;
  readonly isContested: (id: string) => boolean;
  /** How members come back. */
  readonly sync: () => Reactivation;
}

export class MemberMoves {
  readonly #options: MemberMovesOptions;

  constructor(options: MemberMovesOptions) {
    this.#options = options;
  }

  /** Something is wrong with it: it is recorded inactive, and if it was the primary there is another. Rejects when it could not be done. */
  takeOut(id: string, { message, blame }: MemberError): Promise<void> {
    const primary = this.#options.primary();
    return id === primary.id
      ? primary.takeOver(id, message, 'failed')
      : this.removeReplica(id, message, 'failed', blame === 'diverged');
  }

  /**
   * They come back by comparing, not by what they missed; that is recorded of all of them before anything else. The primary hands
   * over to a member that is right, as on an operator's word.
   */
  async takeOutDiffering(wrong: ReadonlyMap<string, string>): Promise<void> {
    const { membership, world } = this.#options;
    const primary = this.#options.primary();
    const heirs = membership.active.filter((id) => !wrong.has(id));
    const heir = heirs.find((id) => !this.#options.isContested(id)) ?? heirs[0];
    if (heir === undefined) throw nobodyIsLeft([...wrong.keys()]);
    for (const id of wrong.keys()) await membership.accuse(id);
    const reason = wrong.get(primary.id);
    if (reason !== undefined) {
      // Without a handover it is taken out all the same, and a successor is found as when it is lost.
      await primary
        .switchTo(heir, reason)
        .catch((error: unknown) =>
          world.raise({ type: 'internal-error', where: 'handover', error: messageOf(error) }),
        );
    }
    for (const [id, why] of wrong) await this.takeOut(id, new MemberError(id, 'diverged', why));
  }

  /** No replica can apply this record. None of them is to blame, and each comes back by comparing, at once. */
  async takeOutRefusing(csn: number, errors: ReadonlyMap<string, MemberError>): Promise<void> {
    this.#tellRefused(csn, errors, 'they are inactive, and are compared with the primary at once');
    for (const [id, error] of errors) {
      const reason = refusedReason(csn, error);
      await this.removeReplica(id, reason, 'failed', true);
    }
    this.#options.sync().excuse([...errors.keys()], csn);
  }

  /** And the primary, which alone has it, is lost: the cluster decides against it. */
  revoke(csn: number, errors: ReadonlyMap<string, MemberError>): void {
    const { order, streams, world } = this.#options;
    const reason = 'no replica can apply it, and the primary, which alone had it, is lost';
    this.#tellRefused(csn, errors, `${reason}: it did not happen, nor did what came behind it`);
    // Whoever joins beside them lets go of what it was given first.
    streams.letGoOfJoiners(csn);
    for (const dead of order.revoke(csn)) world.raise({ type: 'commit-decided-dead', csn: dead, reason });
    streams.revoke(csn);
  }

  #tellRefused(csn: number, errors: ReadonlyMap<string, MemberError>, done: string): void {
    const answers = Object.fromEntries([...errors].map(([id, { message }]) => [id, message]));
    const [first] = errors.values();
    this.#options.world.raise({
      type: 'record-refused',
      csn,
      sqlState: first?.sqlState,
      members: [...errors.keys()],
      answers,
      done,
    });
  }

  /** Takes out a member that is not, or no longer, the primary. */
  async removeReplica(id: string, reason: string, event: WayOut, differs = false): Promise<void> {
    const { membership, order, roster, streams, users, world } = this.#options;
    const primary = this.#options.primary();
    const wholeUpToCsn = streams.get(id)?.confirmedCsn ?? 0;
    const change = await membership.change(id, event, reason, { wholeUpToCsn, differs });
    if (change === undefined) return;
    // It became the primary while this was recorded.
    if (id === primary.id) return await primary.takeOver(id, reason, event);
    streams.end(id);
    world.raise({ type: 'member-deactivated', member: id, reason });
    order.acknowledge();
    for (const user of users) user.abandon(id);
    roster.member(id).close();
    void this.markMembers();
  }

  /** Another member, inactive until it has been brought level. It is recorded when this resolves. */
  async add(added: ClusterMember): Promise<void> {
    const { membership, roster, world } = this.#options;
    const { member, url } = added;
    await membership.admit({ id: member.id, url }, () => roster.add(added));
    world.raise({ type: 'member-added', member: member.id, url });
  }

  /**
   * Takes a member out for good: it is taken out, recorded as leaving, taken out of the configuration by `configure`, and
   * forgotten. Whatever ends this in between leaves a member that is held, and the same call goes on from there.
   */
  async remove(id: string, configure: () => Promise<void>): Promise<void> {
    const { membership, roster, world } = this.#options;
    const sync = this.#options.sync();
    this.#known(id);
    const reason = 'an operator removes it';
    await sync.cancel(id, reason);
    if (membership.entry(id)?.state === 'active') await this.deactivate(id, reason);
    await membership.leave(id);
    await sync.cancel(id, reason);
    await configure();
    await membership.forget(id);
    await sync.left(id);
    roster.remove(id);
    world.raise({ type: 'member-removed', member: id, reason: 'an operator removed it' });
  }

  async switchPrimary(id: string): Promise<void> {
    const primary = this.#options.primary();
    this.#known(id);
    if (id === primary.id) return;
    if (this.#options.membership.entry(id)?.state !== 'active') throw notActive(id);
    await primary.switchTo(id, 'an operator moved it');
  }

  async deactivate(id: string, reason: string): Promise<void> {
    const { membership } = this.#options;
    const primary = this.#options.primary();
    this.#known(id);
    await this.#options.sync().cancel(id, reason);
    if (id === primary.id && membership.active.length > 1) {
      await primary.withoutWriters(() => Promise.resolve());
      await primary.takeOver(id, reason, 'operator-out');
    } else await this.removeReplica(id, reason, 'operator-out');
  }

  /** Brings a member back, held or not: it is brought level in the cheapest way that is enough. */
  async activate(id: string): Promise<void> {
    this.#known(id);
    if (this.#options.membership.entry(id)?.state === 'active') return;
    await this.#options.sync().run(id, {});
  }

  /** It has been brought level, and is recorded. */
  async activated(id: string, reason: string): Promise<void> {
    const { membership, world } = this.#options;
    if (membership.entry(id)?.state === 'active')
      world.raise({ type: 'member-activated', member: id, reason });
    await this.markMembers();
  }

  /** The second witness of who is active. The state file is the first, so a mark that fails stops nothing. */
  async markMembers(): Promise<void> {
    const { membership, roster, world } = this.#options;
    const { version, active } = membership;
    await Promise.all(
      active.map((id) =>
        roster
          .member(id)
          .mark({ version, active })
          .catch((error: unknown) =>
            world.raise({
              type: 'member-unfit',
              member: id,
              reason: `its mark could not be written: ${messageOf(error)}`,
            }),
          ),
      ),
    );
  }

  #known(id: string): void {
    const { membership, roster } = this.#options;
    if (roster.find(id) === undefined) throw unknownMember(id, membership.members);
  }
}

/** As status and doctor show it. */
function refusedReason(csn: number, { message }: MemberError): string {
  return `no replica can apply CSN ${csn}, which is not its fault: ${message}`;
}
