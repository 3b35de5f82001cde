/** The members by their ids, and how busy each of them is. */

import { invariant } from '../base/index.ts';
import type { Member } from '../dialects/contract.ts';
import { MemberLoad } from './reads/member-load.ts';
import type { ClusterMember } from './world.ts';

export class Roster {
  readonly #members = new Map<string, ClusterMember>();
  readonly #loads = new Map<string, MemberLoad>();

  constructor(members: readonly ClusterMember[]) {
    for (const member of members) this.add(member);
  }

  get all(): readonly Member[] {
    return [...this.#members.values()].map(({ member }) => member);
  }

  find(id: string): Member | undefined {
    return this.#members.get(id)?.member;
  }

  member(id: string): Member {
    const found = this.find(id);
    invariant(found, `member ${id} is not known`);
    return found;
  }

  load(id: string): MemberLoad {
    const load = this.#loads.get(id);
    invariant(load, `member ${id} has no load`);
    return load;
  }

  add(entry: ClusterMember): void {
    const { member, weight } = entry;
    this.#members.set(member.id, entry);
    this.#loads.set(member.id, new MemberLoad(member.id, weight));
  }

  /** Whoever still has it in hand goes on to the end of what it does there. */
  remove(id: string): void {
    this.find(id)?.close();
    this.#members.delete(id);
  }
}
