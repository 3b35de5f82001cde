/**
 * Whether members can be reached as a changed configuration says, tried before anybody rests on it. Of a member that takes part,
 * another address has to lead to the very server that it is at: a copy of it would be written to beside it, and neither would be
 * whole. Of one that takes no part, synchronisation sees what is there.
 */

import { LockstepError } from '../base/index.ts';
import type { Cluster } from '../cluster/index.ts';
import type { Config, MemberConfig } from '../config/index.ts';
import { explainConnection, preflightMember } from '../dialects/postgres/index.ts';
import type { PreflightReport } from '../dialects/postgres/index.ts';
import type { BuiltMember, BuiltMembers } from './build-members.ts';

export interface TrialParts {
  readonly cluster: Cluster;
  readonly built: BuiltMembers;
}

/** Those that may be reached in the new way while they take part. Rejects with what is wrong, and where; nothing has changed. */
export async function tryMembers(parts: TrialParts, next: Config): Promise<ReadonlySet<string>> {
  const moved = parts.built.members.flatMap((present) => {
    const index = next.members.findIndex(({ id }) => id === present.config.id);
    const wanted = next.members[index];
    return wanted === undefined || isSame(present.config, wanted) ? [] : [{ present, wanted, index }];
  });
  const outcomes = await Promise.all(moved.map((one) => tryOne(parts, next, one)));
  return new Set(outcomes.flatMap((id) => id ?? []));
}

interface Moved {
  readonly present: BuiltMember;
  readonly wanted: MemberConfig;
  readonly index: number;
}

async function tryOne(
  { built, cluster }: TrialParts,
  next: Config,
  { present, wanted, index }: Moved,
): Promise<string | undefined> {
  const { id } = wanted;
  const elsewhere = present.config.url !== wanted.url;
  const field = fieldOf(present.config, wanted, index, next);
  let report: PreflightReport;
  try {
    report = await lookAt(built.build(wanted), next.cluster);
  } catch (error) {
    const { found, cure, reach } = explainConnection(error, wanted);
    // Whoever is away cannot be asked whether it would take another password.
    if (reach === 'nothing' && !elsewhere && cluster.membership.entry(id)?.state !== 'active')
      return undefined;
    throw refused(`${id} cannot be reached in this way: ${found}`, field, cure);
  }
  const { marks } = report;
  if (marks !== undefined && (marks.memberId !== id || marks.clusterId !== next.cluster)) {
    const whose = `member ${marks.memberId} of cluster ${marks.clusterId}`;
    throw refused(
      `the database there is ${whose}, and not ${id}`,
      field,
      'Give the URL of its own database.',
    );
  }
  if (!elsewhere) return id;
  const now = await lookAt(present, next.cluster).catch(() => undefined);
  if (now?.traits !== undefined && now.traits.identity === report.traits?.identity) return id;
  if (cluster.membership.entry(id)?.state !== 'active') return undefined;
  throw refused(
    `${id} takes part at ${present.config.url}, and the database at ${wanted.url} is not that one`,
    field,
    `Deactivate ${id} first; then it is brought level at the new place. Or add that database as another member.`,
  );
}

function lookAt({ member, config }: BuiltMember, clusterId: string): Promise<PreflightReport> {
  return member.useBare((connection) =>
    preflightMember(connection, { memberId: config.id, clusterId, candidate: true }),
  );
}

/** What of it leads elsewhere, or logs in otherwise. */
function isSame(a: MemberConfig, b: MemberConfig): boolean {
  return (
    a.url === b.url &&
    a.username === b.username &&
    a.password?.reveal() === b.password?.reveal() &&
    a.tls.mode === b.tls.mode &&
    a.tls.ca === b.tls.ca &&
    a.tls.cert === b.tls.cert &&
    a.tls.key?.reveal() === b.tls.key?.reveal()
  );
}

/** Where in the file it is said. */
function fieldOf(a: MemberConfig, b: MemberConfig, index: number, next: Config): string {
  if (a.url !== b.url) return `members[${index}].url`;
  if (a.username !== b.username)
    return b.username === next.username ? 'username' : `members[${index}].username`;
  if (a.password?.reveal() !== b.password?.reveal())
    return b.password?.reveal() === next.password?.reveal() ? 'password' : `members[${index}].password`;
  return 'tls.mode';
}

function refused(message: string, field: string, hint: string): LockstepError {
  return new LockstepError({ code: 'node.member-not-reached', message, field, hint });
}
