/**
 * What the members keep of the passwords of clients, asked for when somebody logs in. The primary is asked, or another active member
 * while it does not answer, over a connection of its own; those who come while one question is under way share the next one.
 */

import { messageOf } from '../base/index.ts';
import type { Cluster } from '../cluster/index.ts';
import { readVerifiers } from '../dialects/postgres/index.ts';
import type { InternalConnection } from '../dialects/postgres/index.ts';
import type { Logger } from '../telemetry/index.ts';
import type { BuiltMember, BuiltMembers } from './build-members.ts';

type Verifiers = ReadonlyMap<string, string>;

export class MemberPasswords {
  readonly #cluster: Cluster;
  readonly #built: BuiltMembers;
  readonly #logger: Logger;
  #kept: { readonly id: string; readonly connection: InternalConnection } | undefined;
  #underWay: Promise<unknown> = Promise.resolve();
  #next: { readonly names: Set<string>; readonly answer: Promise<Verifiers> } | undefined;
  /** Said once, until it is cured: strangers must not fill the log. */
  #complained: string | undefined;
  #closed = false;

  constructor(cluster: Cluster, built: BuiltMembers, logger: Logger) {
    this.#cluster = cluster;
    this.#built = built;
    this.#logger = logger;
  }

  ask(names: readonly string[]): Promise<Verifiers> {
    if (this.#next === undefined) {
      const wanted = new Set<string>();
      const answer = this.#underWay.then(() => {
        this.#next = undefined;
        return this.#askSomebody([...wanted]);
      });
      this.#next = { names: wanted, answer };
      this.#underWay = answer.catch(() => undefined);
    }
    for (const name of names) this.#next.names.add(name);
    return this.#next.answer;
  }

  close(): void {
    this.#closed = true;
    this.#kept?.connection.close();
  }

  async #askSomebody(names: readonly string[]): Promise<Verifiers> {
    let failure: unknown;
    for (const one of this.#inTurn()) {
      try {
        const verifiers = await this.#askOne(one, names);
        this.#complained = undefined;
        return verifiers;
      } catch (error) {
        failure ??= error;
      }
    }
    this.#complain(failure === undefined ? 'no member is active' : messageOf(failure));
    throw failure;
  }

  #inTurn(): readonly BuiltMember[] {
    const { primary, membership } = this.#cluster;
    const isPrimary = ({ member }: BuiltMember): boolean => member.id === primary.id;
    const active = this.#built.members.filter(
      ({ member }) => membership.entry(member.id)?.state === 'active',
    );
    return [...active.filter(isPrimary), ...active.filter((one) => !isPrimary(one))];
  }

  async #askOne({ member }: BuiltMember, names: readonly string[]): Promise<Verifiers> {
    const kept = this.#kept;
    if (kept?.id === member.id && kept.connection.lost === undefined) {
      try {
        return await readVerifiers(kept.connection, names);
      } catch (error) {
        if (kept.connection.lost === undefined) throw error;
        // It may have been dead for long.
      }
    }
    kept?.connection.close();
    this.#kept = undefined;
    const connection = await member.openInternal();
    if (this.#closed) connection.close();
    else this.#kept = { id: member.id, connection };
    return await readVerifiers(connection, names);
  }

  #complain(reason: string): void {
    if (this.#complained === reason || this.#closed) return;
    this.#complained = reason;
    this.#logger.warn(
      { reason },
      'clients whose passwords the members keep cannot log in; `lockstep check` says what is missing',
    );
  }
}
