/**
 * From what is remembered and what the members say to a cluster that may let clients in. It never guesses: a member is
 * trusted because the state says that it was active and its own marks agree, or because all members are proven equal, or
 * because the operator names it. See DESIGN.md, "Start".
 */

import { LockstepError, messageOf } from '../../base/index.ts';
import type { NodeState, RememberedMember } from '../../coordination/index.ts';
import type { Member, MemberReport, ProveEqual } from '../../dialects/contract.ts';
import { placesOf } from '../../dialects/logged-runs.ts';
import { Cluster } from '../cluster.ts';
import { entryAfter, entryOf, Membership } from '../membership/membership.ts';
import type { MemberEntry } from '../membership/membership.ts';
import type { SyncTools } from '../sync/sync-parts.ts';
import type { ClusterMember, ClusterSettings, World } from '../world.ts';
import { fillGaps, windowCsns } from './fill-gaps.ts';
import type { Refused } from './fill-gaps.ts';

export interface StartOptions {
  readonly settings: ClusterSettings;
  readonly world: World;
  readonly members: readonly ClusterMember[];
  readonly proveEqual: ProveEqual;
  /** Configured: at the first start, the member whose data is the cluster's. */
  readonly source: string | undefined;
  /** The operator's word, for this start only: this member has everything. */
  readonly trust: string | undefined;
  readonly tools?: SyncTools | undefined;
}

interface Found {
  readonly member: Member;
  readonly entry: MemberEntry;
  readonly report: MemberReport | undefined;
  readonly error: string | undefined;
}

/** Who may be trusted, and why the others may not. */
interface Verdict {
  readonly trusted: readonly Found[];
  readonly distrusted: ReadonlyMap<string, string>;
  readonly baseCsn: number;
}

/** Of the record with which a first start begins. One that has served has a higher one. */
const firstVersion = 1;

export async function startCluster(options: StartOptions): Promise<Cluster> {
  const { settings, world, members } = options;
  const loaded = await world.store.load();
  if (loaded !== undefined) checkAgainstConfiguration(loaded, options);
  const found = await Promise.all(members.map((member) => look(member, loaded, world)));
  refuseForeign(found, settings.clusterId, loaded);
  const first = neverServed(loaded, found);
  const state = first ? undefined : loaded;

  const verdict = await judge(found, state, options, first);
  const term = Math.max(state?.term ?? 0, ...found.map(({ report }) => report?.term ?? 0)) + 1;
  const active = verdict.trusted.map(({ member }) => member.id);
  const now = world.clock.wallTime();
  const entries = found.map(({ entry }): MemberEntry => {
    if (active.includes(entry.id))
      return entry.state === 'active' ? entry : entryAfter(entry, 'active', '', now);
    if (entry.state === 'held') return entry;
    const reason = verdict.distrusted.get(entry.id) ?? entry.reason ?? 'not synchronised';
    if (entry.state === 'inactive') return { ...entry, reason };
    // What was under way when the node ended may be on the primary with holes in between.
    return entryAfter(entry, 'inactive', reason, now, { wholeUpToCsn: state?.lastCsn ?? 0 });
  });
  const remembered = state?.primary ?? null;
  const primary =
    remembered !== null && active.includes(remembered) ? remembered : heaviest(verdict.trusted, members);
  const versions = first ? [] : found.map(({ report }) => report?.marks?.version ?? 0);
  const membership = new Membership({
    clusterId: settings.clusterId,
    store: world.store,
    clock: world.clock,
    term,
    version: Math.max(state?.version ?? 0, ...versions),
    members: entries,
    primary,
    lastCsn: state?.lastCsn ?? 0,
  });

  // The record comes first: whoever is left out is recorded before anything is done without it.
  await membership.begin(term);
  const { version } = membership;
  const enrolled = await Promise.allSettled(
    verdict.trusted.map(async ({ member }) => {
      await member.enroll({ clusterId: settings.clusterId, version, active, baseCsn: verdict.baseCsn });
      await member.raiseTerm(term);
    }),
  );
  // Nobody is still at work on a member when the start is given up.
  for (const one of enrolled) if (one.status === 'rejected') throw one.reason;
  if (membership.version === firstVersion) await membership.begin(term);
  const { lastCsn, refusing } = await fillGaps(
    verdict.trusted.map(({ member }) => member),
    term,
    world.raise,
  );
  const trusted = verdict.trusted.filter(({ member }) => !refusing.has(member.id));
  await leaveOut(refusing, membership, world, () => heaviest(trusted, members));
  membership.noteCsn(lastCsn);
  // Its removal had come as far as the configuration when an earlier node ended.
  for (const { id } of loaded === undefined ? [] : missingOf(loaded, members))
    world.raise({ type: 'member-removed', member: id, reason: 'an operator removed it' });
  for (const [id, reason] of verdict.distrusted)
    world.raise({ type: 'member-deactivated', member: id, reason });
  world.raise({ type: 'term-started', term, primary: membership.primary ?? primary });
  const slot = await lastSlot(trusted, lastCsn);
  const { tools } = options;
  return new Cluster({ settings, world, members, membership, tools, start: { term, lastCsn, slot } });
}

/** What they lack they cannot be given: they are compared, and the others go on. Somebody has all of it. */
async function leaveOut(
  refusing: ReadonlyMap<string, Refused>,
  membership: Membership,
  { raise }: World,
  next: () => string,
): Promise<void> {
  for (const [id, { csn, error }] of refusing) {
    const { message, sqlState } = error;
    const reason = `it cannot apply CSN ${csn}, which it lacked: ${message}`;
    const done = 'it is inactive, and is compared with the others';
    raise({ type: 'record-refused', csn, sqlState, members: [id], answers: { [id]: message }, done });
    const primary = membership.primary === id ? { primary: next() } : {};
    await membership.change(id, 'failed', reason, { ...primary, differs: true });
    raise({ type: 'member-deactivated', member: id, reason });
  }
}

/** A first start that died before every member had what it needs: it is made again, with all its proof. */
function neverServed(state: NodeState | undefined, found: readonly Found[]): boolean {
  if (state?.version !== firstVersion) return false;
  return found.every(({ report }) => {
    const { version = 0, baseCsn = 0 } = report?.marks ?? {};
    return version <= firstVersion && (report === undefined || report.lastCsn === baseCsn);
  });
}

/** The segment that the last record went to. A member whose log was begun anew may not have it. */
async function lastSlot(trusted: readonly Found[], lastCsn: number): Promise<number> {
  const ends = await Promise.all(trusted.map(({ member }) => member.log.list(lastCsn - 1)));
  return ends.find((runs) => runs.length > 0)?.at(-1)?.slot ?? 0;
}

async function look(
  { member, url }: ClusterMember,
  state: NodeState | undefined,
  world: World,
): Promise<Found> {
  const memory = state?.members.find((remembered) => remembered.id === member.id);
  const entry = entryOf({ id: member.id, url }, memory, world.clock.wallTime());
  try {
    return { member, entry, report: await member.inspect(), error: undefined };
  } catch (error) {
    return { member, entry, report: undefined, error: messageOf(error) };
  }
}

/** Remembered, and not configured. */
function missingOf(state: NodeState, members: readonly ClusterMember[]): readonly RememberedMember[] {
  return state.members.filter((remembered) => !members.some(({ member }) => member.id === remembered.id));
}

function checkAgainstConfiguration(state: NodeState, { settings, members }: StartOptions): void {
  if (state.clusterId !== settings.clusterId) {
    throw refusal(
      'cluster.other-state',
      `the state directory belongs to the cluster ${state.clusterId}, the configuration is for ${settings.clusterId}`,
      'Give each cluster its own state directory.',
    );
  }
  const missing = missingOf(state, members).filter((remembered) => remembered.leaving !== true);
  const [first] = missing;
  if (first !== undefined) {
    const names = missing.map((member) => member.id).join(', ');
    throw refusal(
      'cluster.member-missing',
      `the configuration lacks ${names}, which this node remembers as part of the cluster`,
      `Put it back under \`members\` in the file, with the weight and login that it had:\n${missing
        .map(({ id, url }) => `  - { id: ${id}, url: "${url}" }`)
        .join('\n')}\nThen start the node. To remove it for good: lockstep member remove ${first.id}`,
    );
  }
}

/** Another cluster's member, or one that calls itself something else, is never touched. */
function refuseForeign(found: readonly Found[], clusterId: string, state: NodeState | undefined): void {
  for (const { member, report } of found) {
    const marks = report?.marks;
    if (marks === undefined) continue;
    if (marks.clusterId !== clusterId) {
      throw refusal(
        'cluster.foreign-member',
        `member ${member.id} belongs to the cluster ${marks.clusterId}, not to ${clusterId}`,
        'Check its url. To free a database from another cluster: lockstep detach, with that cluster’s configuration.',
      );
    }
    if (marks.memberId !== member.id) {
      throw refusal(
        'cluster.mistaken-member',
        `the database configured as member ${member.id} is member ${marks.memberId} of this cluster`,
        'Check the urls: two of them may have been exchanged, or point to one database.',
      );
    }
    if (state !== undefined && (report?.term ?? 0) > state.term) {
      throw refusal(
        'cluster.newer-term',
        `member ${member.id} has seen term ${report?.term}, this node's state knows ${state.term}: another node has served this cluster since`,
        'Use the newest state directory. An older one must never be brought back.',
      );
    }
  }
}

async function judge(
  found: readonly Found[],
  state: NodeState | undefined,
  options: StartOptions,
  first: boolean,
): Promise<Verdict> {
  if (options.trust !== undefined)
    return onTheWordOf(options.trust, found, 'it was not named by the operator');
  if (state !== undefined) return fromState(found);
  if (!first && found.some(({ report }) => report?.marks !== undefined)) return await fromMarks(found);
  return await firstStart(found, options);
}

function onTheWordOf(id: string, found: readonly Found[], others: string): Verdict {
  const named = found.find(({ member }) => member.id === id);
  if (named?.report === undefined) {
    throw refusal(
      'cluster.source-unreachable',
      `member ${id} was named, but ${named === undefined ? 'it is not configured' : `it does not answer: ${named.error}`}`,
      'Start it, or name another.',
    );
  }
  return {
    trusted: [named],
    distrusted: new Map(found.filter((one) => one !== named).map(({ member }) => [member.id, others])),
    baseCsn: named.report.lastCsn,
  };
}

/** Every member that was active has every acknowledged commit, so any one of them is enough. */
function fromState(found: readonly Found[]): Verdict {
  const distrusted = new Map<string, string>();
  const furthest = Math.max(
    ...found.map(({ entry, report }) => (entry.state === 'active' ? (report?.lastCsn ?? 0) : 0)),
  );
  const beginning = Math.max(
    ...found
      .filter(({ entry, report }) => entry.state === 'active' && report?.lastCsn === furthest)
      .map(({ report }) => report?.marks?.baseCsn ?? 0),
  );
  const someAreSound = found.some(
    ({ entry, report }) => entry.differs !== true && isWhole({ entry, report }),
  );
  const trusted = found.filter(({ member, entry, report, error }) => {
    if (entry.state !== 'active') return false;
    const reason =
      report === undefined
        ? `it did not answer at the start: ${error}`
        : report.marks === undefined
          ? 'its control schema is gone'
          : report.marks.incomplete !== null
            ? `a synchronisation did not finish: ${report.marks.incomplete}`
            : report.lastCsn < Math.max(furthest - windowCsns, beginning)
              ? `its log ends at CSN ${report.lastCsn}, another's at ${furthest}: it was put back to an older state`
              : // The node ended before it was taken out. Where all differ, one of them is what there is.
                entry.differs === true && someAreSound
                ? 'its rows were found to differ'
                : undefined;
    if (reason !== undefined) distrusted.set(member.id, reason);
    return reason === undefined;
  });
  if (trusted.length > 0) return { trusted, distrusted, baseCsn: 0 };
  const lastActive = found
    .filter(({ entry }) => entry.state === 'active')
    .map(({ member }) => `${member.id} (${distrusted.get(member.id)})`);
  const others = found
    .filter(({ entry, report }) => entry.state !== 'active' && report !== undefined)
    .map(({ member }) => member.id);
  throw refusal(
    'cluster.no-trusted-member',
    `no member that was active last can be used: ${lastActive.join('; ')}`,
    `Bring one of them back.${others.length === 0 ? '' : ` ${others.join(', ')} may lack acknowledged commits; to use one all the same and lose those: lockstep serve --trust ${others[0]}`}`,
  );
}

function isWhole({ entry, report }: Pick<Found, 'entry' | 'report'>): boolean {
  return entry.state === 'active' && report?.marks !== undefined && report.marks.incomplete === null;
}

/** The node's state is gone, but the members remember. All must be heard: one that is silent may know more. */
async function fromMarks(found: readonly Found[]): Promise<Verdict> {
  const silent = found.filter(({ report }) => report === undefined);
  const heard = found.filter(({ report }) => report?.marks !== undefined);
  const newest = Math.max(...heard.map(({ report }) => report?.marks?.version ?? 0));
  const witness = heard.find(({ report }) => report?.marks?.version === newest);
  const active = witness?.report?.marks?.active ?? [];
  if (silent.length > 0) {
    const names = silent.map(({ member }) => member.id).join(', ');
    throw refusal(
      'cluster.state-lost',
      `this node's state is gone, and ${names} cannot be asked what it knows`,
      `Start ${names}, or name the member that has everything: lockstep serve --trust ${witness?.member.id ?? '<id>'}`,
    );
  }
  const candidates = heard.filter(({ member }) => active.includes(member.id));
  const distrusted = await overruled(candidates);
  const furthest = Math.max(
    ...candidates
      .filter(({ member }) => !distrusted.has(member.id))
      .map(({ report }) => report?.lastCsn ?? 0),
  );
  const trusted = heard.filter(({ member, report }) => {
    const marks = report?.marks;
    const reason = !active.includes(member.id)
      ? 'it was not active when the members last agreed'
      : marks?.incomplete
        ? `a synchronisation did not finish: ${marks.incomplete}`
        : (distrusted.get(member.id) ??
          (report?.lastCsn === furthest
            ? undefined
            : `its log ends at CSN ${report?.lastCsn}, another's at ${furthest}`));
    if (reason !== undefined) distrusted.set(member.id, reason);
    return reason === undefined;
  });
  for (const { member, report } of found)
    if (report?.marks === undefined) distrusted.set(member.id, 'it has no control schema');
  if (trusted.length > 0) return { trusted, distrusted, baseCsn: 0 };
  throw refusal(
    'cluster.no-trusted-member',
    "this node's state is gone and no member can be proven to have everything",
    'Name the one that has: lockstep serve --trust <id>',
  );
}

/**
 * Those that have a commit which another has recorded dead. Nobody decides against a commit before its primary is recorded
 * as left out; the node can die, and its state be lost, before the marks of the members say so too.
 */
async function overruled(candidates: readonly Found[]): Promise<Map<string, string>> {
  const end = Math.max(0, ...candidates.map(({ report }) => report?.lastCsn ?? 0));
  const logs = await Promise.all(
    candidates.map(async ({ member }) => placesOf(await member.log.list(Math.max(0, end - windowCsns)))),
  );
  const dead = new Set(logs.flatMap((log) => log.filter((place) => place.dead).map(({ csn }) => csn)));
  const reasons = new Map<string, string>();
  for (const [index, { member }] of candidates.entries()) {
    const one = logs[index]?.find((place) => !place.dead && dead.has(place.csn));
    if (one !== undefined)
      reasons.set(member.id, `its log has CSN ${one.csn}, which the cluster has decided against`);
  }
  return reasons;
}

/** Nothing is remembered anywhere: equal, or the operator names the source. */
async function firstStart(found: readonly Found[], options: StartOptions): Promise<Verdict> {
  const { source } = options;
  if (source !== undefined)
    return onTheWordOf(source, found, 'its data has not been made equal to the source’s');
  const [only, ...more] = found;
  const silent = found.filter(({ report }) => report === undefined);
  if (silent.length > 0) {
    throw refusal(
      'cluster.first-start-unreachable',
      `at the first start every member must answer: ${silent.map(({ error }) => error).join('; ')}`,
      'Start it, correct its url and password, or name the member whose data is the cluster’s with the key "source".',
    );
  }
  if (only !== undefined && more.length > 0) {
    const differences = await options.proveEqual(found.map(({ member }) => member));
    if (differences.length > 0) {
      const shown = differences.slice(0, 10).map((line) => `\n  - ${line}`);
      const rest = differences.length > 10 ? `\n  … and ${differences.length - 10} more` : '';
      throw refusal(
        'cluster.members-differ',
        `the members do not hold the same data:${shown.join('')}${rest}`,
        'Make them equal, or name the member whose data is the cluster’s with the key "source".',
      );
    }
  }
  return { trusted: found, distrusted: new Map(), baseCsn: 0 };
}

function heaviest(trusted: readonly Found[], members: readonly ClusterMember[]): string {
  const weightOf = (id: string): number => members.find(({ member }) => member.id === id)?.weight ?? 0;
  const [best] = [...trusted].sort((a, b) => weightOf(b.member.id) - weightOf(a.member.id));
  if (best === undefined)
    throw refusal('cluster.no-trusted-member', 'no member can be trusted', 'Check the members.');
  return best.member.id;
}

function refusal(code: string, message: string, hint: string): LockstepError {
  return new LockstepError({ code, message, hint });
}
