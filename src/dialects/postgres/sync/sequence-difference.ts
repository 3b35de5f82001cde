/**
 * Sequences stand outside of snapshots, and their positions reach the other members with commits and by a sweep about once a
 * second. So one that is behind is given time to reach what the other had shown before. What then still differs, nothing explains.
 */

import { pause, systemClock } from '../../../base/index.ts';
import type { Finding } from '../../sync-contract.ts';
import { sequencePositions } from '../fingerprint.ts';
import type { SequencePosition } from '../fingerprint.ts';
import type { InternalConnection } from '../internal-connection.ts';
import type { PostgresMember } from '../postgres-member.ts';
import type { Crew } from './crew.ts';
import { grouped } from './grouped.ts';
import { syncSettings } from './sync-settings.ts';

const lookEveryMs = 250;

type Positions = ReadonlyMap<string, SequencePosition>;

interface Watched {
  readonly id: string;
  readonly connection: InternalConnection;
  /** As first seen. */
  readonly before: Positions;
  now: Positions;
}

interface Kind {
  readonly up: boolean;
  readonly cycles: boolean;
}

/** Of each member that is not right, when `patienceMs` have passed. */
export async function unexplainedPositions(
  crew: Crew,
  members: readonly PostgresMember[],
  options: { readonly patienceMs: number; right(groups: readonly (readonly string[])[]): readonly string[] },
): Promise<ReadonlyMap<string, readonly Finding[]>> {
  const watched = await Promise.all(
    members.map(async (member): Promise<Watched> => {
      const connection = await crew.open(member, syncSettings);
      const before = await sequencePositions(connection);
      return { id: member.id, connection, before, now: before };
    }),
  );
  const [first] = watched;
  if (first === undefined) return new Map();
  const kinds = await readKinds(first.connection);
  const deadline = systemClock.monotonicMs() + options.patienceMs;
  for (;;) {
    const groups = grouped(watched, (one, other) => differences(one, other, kinds).length === 0);
    if (groups.length === 1 || systemClock.monotonicMs() > deadline) return judged(groups, options, kinds);
    await pause(systemClock, lookEveryMs, crew.signal);
    crew.signal.throwIfAborted();
    await Promise.all(watched.map(async (one) => (one.now = await sequencePositions(one.connection))));
  }
}

function judged(
  groups: readonly (readonly Watched[])[],
  options: { right(groups: readonly (readonly string[])[]): readonly string[] },
  kinds: ReadonlyMap<string, Kind>,
): ReadonlyMap<string, readonly Finding[]> {
  const ids = options.right(groups.map((group) => group.map(({ id }) => id)));
  const right = groups.flat().find(({ id }) => id === ids[0]);
  if (right === undefined) return new Map();
  const found = groups.flat().map((one) => [one.id, differences(right, one, kinds)] as const);
  return new Map(found.filter(([id, findings]) => !ids.includes(id) && findings.length > 0));
}

function differences(right: Watched, other: Watched, kinds: ReadonlyMap<string, Kind>): readonly Finding[] {
  return [...right.now].flatMap(([name, here]) => {
    const there = other.now.get(name);
    const kind = kinds.get(name);
    // A sequence that is not everywhere is a difference of the schema.
    if (there === undefined || kind === undefined || isExplained(name, kind, right, other)) return [];
    const text = `sequence ${name} stands at ${shown(here)} on ${right.id} and at ${shown(there)} on ${other.id}`;
    return [{ what: `sequence ${name}`, text }];
  });
}

/** Whoever is behind has meanwhile reached what the other one showed first; or it moves in a way that has no order. */
function isExplained(name: string, kind: Kind, first: Watched, other: Watched): boolean {
  const [a, b] = [first.now.get(name), other.now.get(name)];
  const [a0, b0] = [first.before.get(name), other.before.get(name)];
  if (a === undefined || b === undefined || a0 === undefined || b0 === undefined || isSame(a, b)) return true;
  const moved = !isSame(a, a0) || !isSame(b, b0);
  if (kind.cycles || isBehind(a, a0, kind) || isBehind(b, b0, kind)) return moved;
  return isBehind(a, b, kind) ? !isBehind(a, b0, kind) : !isBehind(b, a0, kind);
}

function isSame(a: SequencePosition, b: SequencePosition): boolean {
  return a.last === b.last && a.called === b.called;
}

function isBehind(a: SequencePosition, b: SequencePosition, { up }: Kind): boolean {
  if (a.last === b.last) return !a.called && b.called;
  return up ? a.last < b.last : a.last > b.last;
}

async function readKinds(connection: InternalConnection): Promise<ReadonlyMap<string, Kind>> {
  const rows = await connection.rows(
    `SELECT format('%I.%I', n.nspname, c.relname), s.seqincrement > 0, s.seqcycle
       FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace`,
  );
  return new Map(rows.map(([name, up, cycles]) => [name ?? '', { up: up === 't', cycles: cycles === 't' }]));
}

function shown({ last, called }: SequencePosition): string {
  return called ? String(last) : `${last} (not yet handed out)`;
}
