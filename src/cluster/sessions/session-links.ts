/** The connections of one session, one to each member that has ever answered it. */

import { withDeadline } from '../../base/index.ts';
import { MemberError } from '../../dialects/contract.ts';
import type { Member, SessionIdentity, SessionLink } from '../../dialects/contract.ts';
import type { Cluster } from '../cluster.ts';
import { noMember, outage } from './session-errors.ts';

export interface SessionLinksOptions {
  readonly identity: SessionIdentity;
  readonly outageMs: number;
  /** A message from the primary outside of any answer. */
  unasked(message: Buffer): Promise<void> | undefined;
  /** One of them broke by itself. */
  lost(link: SessionLink, error: MemberError): void;
  /** What goes to the primary goes to another one from here on. May throw. */
  primaryMoved(fromId: string, to: Member): void;
}

export class SessionLinks {
  readonly #cluster: Cluster;
  readonly #options: SessionLinksOptions;
  readonly #links = new Map<string, SessionLink>();
  #closed = false;
  #lastPrimary: string | undefined;

  constructor(cluster: Cluster, options: SessionLinksOptions) {
    this.#cluster = cluster;
    this.#options = options;
  }

  get closed(): boolean {
    return this.#closed;
  }

  all(): Iterable<SessionLink> {
    return this.#links.values();
  }

  /** The connection that is there already. */
  now(member: Member): SessionLink | undefined {
    const known = this.#links.get(member.id);
    return known?.lost === undefined ? known : undefined;
  }

  /** The same to the primary, if it may be used at once. */
  primaryNow(): SessionLink | undefined {
    return this.#cluster.gate.open ? this.#arrived(this.now(this.#cluster.primary)) : undefined;
  }

  /** A connection to whoever is the primary; waits while there is none, but not for ever. */
  primary(): Promise<SessionLink> {
    const { outageMs } = this.#options;
    return withDeadline(this.#cluster.world.clock, outageMs, this.#findPrimary(), () => outage(outageMs));
  }

  async to(member: Member): Promise<SessionLink> {
    const known = this.now(member);
    if (known !== undefined) return known;
    const link = await member.openSession(this.#options.identity, {
      unasked: (id, message) =>
        id === this.#cluster.primary.id ? this.#options.unasked(message) : undefined,
      lost: (error) => this.#lost(link, error),
    });
    if (this.#closed) {
      link.close();
      throw new MemberError(member.id, 'client', 'the session was closed');
    }
    // Taken out while the connection was made: nobody has told this link to go, and what it shows may be old.
    if (this.#cluster.membership.entry(member.id)?.state !== 'active') {
      link.close();
      throw new MemberError(member.id, 'gone', `member ${member.id} is not active any more`);
    }
    this.#links.set(member.id, link);
    return link;
  }

  /** Closes the connection to this member. False: there was none. */
  drop(memberId: string): boolean {
    const link = this.#links.get(memberId);
    if (link === undefined) return false;
    this.#links.delete(memberId);
    link.close();
    return true;
  }

  close(): void {
    this.#closed = true;
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }

  async #findPrimary(): Promise<SessionLink> {
    for (let attempt = 0; ; attempt++) {
      await this.#cluster.gate.passed();
      const { primary } = this.#cluster;
      try {
        const link = await this.to(primary);
        if (primary.id === this.#cluster.primary.id && this.#cluster.gate.open) return this.#arrived(link);
      } catch (error) {
        if (!(error instanceof MemberError)) throw error;
        if (error.blame !== 'gone') throw noMember(error);
        const verdict = await this.#cluster.trouble(primary.id, error);
        if (verdict === 'alive' && attempt >= 3) throw noMember(error);
      }
    }
  }

  #arrived<T extends SessionLink | undefined>(link: T): T {
    const { primary } = this.#cluster;
    if (link === undefined || this.#lastPrimary === primary.id) return link;
    if (this.#lastPrimary !== undefined) this.#options.primaryMoved(this.#lastPrimary, primary);
    this.#lastPrimary = primary.id;
    return link;
  }

  #lost(link: SessionLink, error: MemberError): void {
    const current = this.#links.get(link.memberId) === link;
    if (current) this.#links.delete(link.memberId);
    if (!this.#closed && current) this.#options.lost(link, error);
  }
}
