/** Takes a member out of what a node remembers and out of the configuration file, while the node does not run. */

import { LockstepError } from '../base/index.ts';
import { leavingReason } from '../cluster/index.ts';
import { parseMemberUrl, planWithoutMember } from '../config/index.ts';
import type { Config, MemberConfig } from '../config/index.ts';
import { FileStateStore } from '../coordination/index.ts';
import type { NodeState, RememberedMember } from '../coordination/index.ts';
import { MemberError } from '../dialects/contract.ts';
import { buildMembers } from './build-members.ts';

/**
 * Nothing is done to the member itself. Resolves with what the operator should know next. The steps are those of a running
 * node, so that a crash between them leaves what that would leave (see member-changes.ts).
 */
export async function removeMember(config: Config, id: string): Promise<string> {
  const store = await openStore(config);
  try {
    const { state, member } = remembered(await store.load(), id);
    const others = state.members.filter((other) => other.id !== id);
    if (member.active) {
      if (!others.some(({ active }) => active)) {
        throw new LockstepError({
          code: 'cluster.last-active-member',
          message: `member ${id} is the last one that has every acknowledged commit, and is not removed`,
          hint: 'Bring another member back first.',
        });
      }
      // It may hold a commit that was under way when the node ended, and that others have seen.
      if (await answers(config, member)) {
        throw new LockstepError({
          code: 'cluster.member-active',
          message: `member ${id} is active and answers, and is not removed`,
          hint: `Keep it in the configuration, start the node, and take it out there: lockstep member deactivate ${id}. Then stop the node and repeat this.`,
        });
      }
    }
    const plan = await planWithoutMember(config, id);
    const primary = state.primary === id ? null : state.primary;
    const leaving: RememberedMember = {
      ...member,
      active: false,
      held: true,
      leaving: true,
      reason: leavingReason(id),
    };
    const version = state.version + 1;
    await store.save({ ...state, version, members: [...others, leaving], primary });
    await plan.apply();
    await store.save({ ...state, version: version + 1, members: others, primary });
  } finally {
    await store.close();
  }
  return `Member ${id} is no longer part of cluster ${config.cluster}. Its data are as they were.`;
}

async function openStore(config: Config): Promise<FileStateStore> {
  try {
    return await FileStateStore.open(config.state);
  } catch (error) {
    if (!(error instanceof LockstepError) || error.code !== 'coordination.state-locked') throw error;
    throw new LockstepError({
      code: 'cluster.node-runs',
      message: `a member is removed only while the node does not run: ${error.message}`,
      hint: 'Stop the node first, or keep the member in the configuration and deactivate it: lockstep member deactivate <id>',
    });
  }
}

function remembered(
  state: NodeState | undefined,
  id: string,
): { state: NodeState; member: RememberedMember } {
  const member = state?.members.find((candidate) => candidate.id === id);
  if (state !== undefined && member !== undefined) return { state, member };
  const known = state?.members.map((candidate) => candidate.id).join(', ') ?? '';
  throw new LockstepError({
    code: 'cluster.unknown-member',
    message: `there is no member ${id} in what this node remembers`,
    hint:
      known === ''
        ? 'It remembers nothing yet: take the member out of the configuration.'
        : `Members are: ${known}`,
  });
}

/** As configured; a member that is gone from the file is looked for where it was. */
function whereIs(config: Config, member: RememberedMember): MemberConfig | undefined {
  const configured = config.members.find(({ id }) => id === member.id);
  const [neighbour] = config.members;
  if (configured !== undefined || neighbour === undefined) return configured;
  const address = parseMemberUrl(member.url);
  if ('fault' in address) return undefined;
  const { host, port, database } = address;
  const { password = neighbour.password } = config;
  return {
    host,
    port,
    database,
    id: member.id,
    url: member.url,
    weight: 0,
    username: config.username ?? neighbour.username,
    ...(password === undefined ? {} : { password }),
    tls: neighbour.tls,
  };
}

/** A server that says anything at all answers. */
async function answers(config: Config, member: RememberedMember): Promise<boolean> {
  const place = whereIs(config, member);
  if (place === undefined) return false;
  const { members } = buildMembers({ ...config, members: [place] });
  try {
    await members[0]?.member.inspect();
    return true;
  } catch (error) {
    return error instanceof MemberError ? error.sqlState !== undefined : true;
  }
}
