/** A construct of PostgreSQL: how clients use it, and what must come of it. */

import type { Client } from 'pg';
import type { ConstructClient } from './construct-client.ts';

export interface Scenario {
  readonly name: string;
  /** Statements, run once through the node before the clients begin, in a schema of their own, `:schema`. */
  readonly setup?: string;
  /** What each of the clients does, all of them at once. */
  readonly step?: (client: ConstructClient) => Promise<unknown>;
  /** What they do together, where one waits for another. */
  readonly together?: (clients: readonly ConstructClient[]) => Promise<unknown>;
  /** Run through the node when the clients are done; what is left must still be equal everywhere. */
  readonly finish?: string;
  /** Questions for each single member, and the one answer that all must give. */
  readonly expect?: Readonly<Record<string, string | null>>;
  /** Every statement of `step` that is marked with `refused` must be, and nothing may have changed. */
  readonly changesNothing?: true;
  /** The clients keep something in their sessions that others must not meet. */
  readonly ownSessions?: true;
  readonly sinceVersion?: number;
  /** Only these, where much data would be moved for nothing new. */
  readonly ways?: readonly Way[];
  readonly clients?: number;
  /** Each is played in an ordinary database too, but for this reason. */
  readonly plainOnly?: string;
  /** Why it is played there by a superuser, past row security. */
  readonly needsSuperuser?: string;
}

/** How a statement travels. */
export const ways = ['simple', 'extended', 'prepared'] as const;
export type Way = (typeof ways)[number];

export type OpenClient = (options?: {
  /** Its password is its name. */
  readonly user?: string;
  readonly encoding?: string;
}) => Promise<Client>;
