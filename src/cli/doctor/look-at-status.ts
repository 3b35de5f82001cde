/** What the node itself says of the cluster, judged: who is not active and why, and what to do. Pure. */
import type { ClusterStatus, MemberStatus } from '../../admin/index.ts';
import type { Finding } from '../program.ts';
import { contestCures, contestHeadline } from '../show-contest.ts';
import { duration } from '../show-status.ts';

/** Verified longer ago than this is worth a word, where there is a schedule. */
const VERIFIED_MS_MAX = 8 * 86_400_000;
const LAG_MAX = 1000;

export function lookAtCluster(status: ClusterStatus, now: number): readonly Finding[] {
  const active = status.members.filter((member) => member.active).length;
  const all = status.members.length;
  const node: Finding = {
    name: 'node',
    ok: 'ok',
    found: `it is ${status.role}, up ${duration(status.uptimeMs)}, primary ${status.primary ?? 'none'}`,
  };
  const spare: Finding =
    active > 1
      ? { name: 'active members', ok: 'ok', found: `${active} of ${all}` }
      : {
          name: 'active members',
          ok: active === 0 ? 'fail' : 'warn',
          found: `${active} of ${all}: the next one that is lost is the last`,
          cure:
            all > 1
              ? 'bring the others back: see below'
              : 'add another: lockstep member add --id db2 --url postgres://…',
        };
  return [node, spare, ...file(status), verified(status, now), ...contested(status)];
}

function file({ file: { missing, unread, waiting, fault } }: ClusterStatus): readonly Finding[] {
  const name = 'file';
  const [first] = missing;
  return [
    ...(fault === null
      ? []
      : [{ name, ok: 'fail' as const, found: fault, cure: 'mend it: the node would not start with it' }]),
    ...(first === undefined
      ? []
      : [
          {
            name,
            ok: 'fail' as const,
            found: `it lacks ${missing.join(', ')}, which the cluster has: the node would not start with it`,
            cure: `put it back: lockstep run restore-members; or remove it: lockstep member remove ${first}`,
          },
        ]),
    ...(unread.length === 0
      ? []
      : [
          {
            name,
            ok: 'warn' as const,
            found: `changed and not read: ${unread.join(', ')}`,
            cure: 'lockstep reload',
          },
        ]),
    ...(waiting.length === 0
      ? []
      : [
          {
            name,
            ok: 'warn' as const,
            found: `in the file, and not in force: ${waiting.join(', ')}`,
            cure: 'start the node again when it suits',
          },
        ]),
  ];
}

function contested({ verification: { contest } }: ClusterStatus): readonly Finding[] {
  if (contest === null) return [];
  const found = contestHeadline(contest);
  return [{ name: 'primary', ok: 'fail', found, cure: `if ${contestCures(contest).join('; if ')}` }];
}

function verified({ verification }: ClusterStatus, now: number): Finding {
  const { at, contest, outcome, reason } = verification;
  const name = 'verification';
  if (at === null || outcome === null) return { name, ok: 'ok', found: 'there was none yet' };
  const ago = now - Date.parse(at);
  const found = `${duration(Math.max(0, ago))} ago: ${outcome}${reason === null ? '' : ` (${reason})`}`;
  if (outcome === 'differs')
    return {
      name,
      ok: 'fail',
      found,
      cure: contest === null ? 'lockstep repair, then lockstep verify' : 'see primary, then lockstep verify',
    };
  if (outcome === 'unchecked' || ago > VERIFIED_MS_MAX)
    return { name, ok: 'warn', found, cure: 'lockstep verify' };
  return { name, ok: 'ok', found };
}

export function lookAtMember(member: MemberStatus): readonly Finding[] {
  const { id, active, state, reason, sync, lagCsn, role } = member;
  if (active) {
    const found = `${role}${lagCsn === null ? '' : `, ${lagCsn} commits behind`}`;
    return lagCsn !== null && lagCsn > LAG_MAX
      ? [
          {
            name: 'active',
            ok: 'warn',
            found,
            cure: 'see what keeps it: its disk, or long transactions on it',
          },
        ]
      : [{ name: 'active', ok: 'ok', found }];
  }
  const why = reason ?? 'the node does not say why';
  if (state === 'held')
    return [{ name: 'active', ok: 'warn', found: `held: ${why}`, cure: `lockstep member activate ${id}` }];
  if (sync === null)
    return [{ name: 'active', ok: 'fail', found: `${state}: ${why}`, cure: `lockstep sync ${id}` }];
  if (sync.state === 'running')
    return [
      {
        name: 'active',
        ok: 'warn',
        found: `${state}: ${why}; it is being brought level`,
        cure: 'wait: lockstep status --watch',
      },
    ];
  const waits = sync.quarantined ? 'in quarantine' : 'it is tried again by itself';
  const last = sync.reason === null ? '' : `; the last attempt: ${sync.reason}`;
  return [
    {
      name: 'active',
      ok: 'fail',
      found: `${state}: ${why}; ${waits}${last}`,
      cure: `mend what is said there; at once: lockstep sync ${id}`,
    },
  ];
}
