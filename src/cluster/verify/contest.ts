/**
 * The primary differs from replicas, and nobody agrees with it: who is right is for a person to say. Until then clients read what
 * the primary shows, nobody is copied from who differs, and nobody is repaired by itself. See ../sync/DESIGN.md, "Who is right".
 */

import type { MemberDifference } from '../../dialects/sync-contract.ts';
import { sentences } from './judge.ts';
import type { Verified } from './verification-run.ts';

export interface Contest {
  /** ISO 8601: when it was found last. */
  readonly at: string;
  readonly primary: string;
  /** Those that differ from it. */
  readonly members: readonly string[];
  /** One sentence for each difference, as it was found. */
  readonly findings: readonly { readonly member: string; readonly text: string }[];
}

const findingsMax = 100;
const findingLengthMax = 1000;

/** What is contested after a verification. `whole`: everything was compared. */
export function contestAfter(
  before: Contest | undefined,
  { contested, differences, outcome }: Verified,
  now: { readonly at: string; readonly primary: string; readonly whole: boolean },
): Contest | undefined {
  // Whoever is taken out comes back by comparing with the primary.
  const found = [...contested.keys()].filter((id) => !differences.has(id));
  const kept = now.whole && outcome !== 'unchecked' ? undefined : before;
  if (found.length === 0) return kept;
  const findings = [
    ...(kept?.findings ?? []),
    ...found.flatMap((member) => linesOf(member, contested.get(member))),
  ];
  const known = new Set<string>();
  return {
    at: now.at,
    primary: now.primary,
    members: [...new Set([...(kept?.members ?? []), ...found])],
    findings: findings
      .filter(({ member, text }) => known.size < known.add(`${member}: ${text}`).size)
      .slice(0, findingsMax),
  };
}

/** It holds what the primary holds. */
export function contestWithout(before: Contest, id: string): Contest | undefined {
  const members = before.members.filter((one) => one !== id);
  return members.length === 0 ? undefined : { ...before, members };
}

/** Another member is the primary: what it holds is what clients read, and whoever does not hold that is contested. */
export function contestOf(
  before: Contest,
  { to, all }: { readonly to: string; readonly all: readonly string[] },
): Contest | undefined {
  if (!before.members.includes(to)) return { ...before, primary: to };
  const members = all.filter((id) => id !== to && !before.members.includes(id));
  return members.length === 0 ? undefined : { ...before, primary: to, members };
}

export function isSameContest(one: Contest | undefined, other: Contest | undefined): boolean {
  const told = (contest: Contest | undefined): string =>
    contest === undefined ? '' : JSON.stringify({ ...contest, at: '' });
  return told(one) === told(other);
}

function linesOf(member: string, difference: MemberDifference | undefined): Contest['findings'] {
  const lines = difference === undefined ? [] : sentences(difference);
  return lines.map((text) => ({ member, text: text.slice(0, findingLengthMax) }));
}
