/** What has happened, and what happens: the node's own record of events. */
import { events as eventsCommand } from '../../admin/index.ts';
import type { EventEntry, EventFilter } from '../../admin/index.ts';
import { LockstepError, pause } from '../../base/index.ts';
import type { CliIo, CommonOptions } from '../cli-io.ts';
import { print } from '../cli-io.ts';
import type { ExitCode } from '../exit-codes.ts';
import { oneLine } from '../table.ts';
import { untilSignal } from '../until-signal.ts';
import { nodeClient } from './node-client.ts';
import type { NodeClient } from './node-client.ts';

export interface EventsOptions extends CommonOptions {
  readonly follow?: boolean;
  readonly since?: string;
  readonly type?: string;
  readonly member?: string;
  readonly level?: string;
  readonly limit: string;
}

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
const POLL_MS = 1000;
const PAGE = 1000;
const LIMIT_MAX = 100_000;

export async function showEvents(io: CliIo, options: EventsOptions): Promise<ExitCode> {
  const limit = parseLimit(options.limit);
  const sinceMs =
    options.since === undefined ? -Infinity : parseSince(options.since, io.clock.wallTime().getTime());
  const filter = filterOf(options);
  const node = await nodeClient(io, options);
  const found = await readBack(node, filter, { limit, sinceMs });
  if (options.follow !== true) {
    print(io, options, { events: found }, () =>
      found.length === 0 ? 'No such event is remembered.' : found.map(eventLine).join('\n'),
    );
    return 'ok';
  }
  const show = (event: EventEntry): void => {
    io.stdout.write(`${options.json === true ? JSON.stringify(event) : eventLine(event)}\n`);
  };
  found.forEach(show);
  return await untilSignal(io, (signal) =>
    follow(io, node, { filter, lastId: found.at(-1)?.id, show, signal }),
  );
}

/** The oldest first. */
async function readBack(
  node: NodeClient,
  filter: EventFilter,
  bounds: { readonly limit: number; readonly sinceMs: number },
): Promise<readonly EventEntry[]> {
  const found: EventEntry[] = [];
  for (let before: number | undefined; ; ) {
    const limit = Math.min(PAGE, bounds.limit - found.length);
    if (limit <= 0) break;
    const page = await node.ask(eventsCommand, { ...filter, limit, ...(before !== undefined && { before }) });
    const fresh = page.events.filter(({ at }) => Date.parse(at) >= bounds.sinceMs);
    found.push(...fresh);
    before = page.events.at(-1)?.id;
    if (!page.more || before === undefined || fresh.length < page.events.length) break;
  }
  return found.reverse();
}

interface Following {
  readonly filter: EventFilter;
  readonly lastId: number | undefined;
  readonly show: (event: EventEntry) => void;
  readonly signal: AbortSignal;
}

/** A node that does not answer is waited for: what happened meanwhile comes then. */
async function follow(
  io: CliIo,
  node: NodeClient,
  { filter, lastId, show, signal }: Following,
): Promise<void> {
  let after = lastId ?? (await newestId(node));
  let lost = false;
  while (!signal.aborted) {
    await pause(io.clock, POLL_MS, signal);
    try {
      const { events } = await node.ask(eventsCommand, { ...filter, after, limit: PAGE });
      lost = false;
      events.toReversed().forEach(show);
      after = events[0]?.id ?? after;
    } catch (error) {
      if (!(error instanceof LockstepError) || error.code !== 'admin.unreachable') throw error;
      if (!lost) io.stderr.write(`lockstep: ${error.message}; waiting for it\n`);
      lost = true;
    }
  }
}

async function newestId(node: NodeClient): Promise<number> {
  const { events } = await node.ask(eventsCommand, { limit: 1 });
  return events[0]?.id ?? 0;
}

/** `2026-01-02T03:04:05Z  warn   member-deactivated  member db2 is inactive: …` */
function eventLine({ at, level, type, text }: EventEntry): string {
  return `${at.replace(/\.\d+Z$/, 'Z')}  ${level.padEnd(5)}  ${type}  ${oneLine(text)}`;
}

function filterOf({ type, member, level }: EventsOptions): EventFilter {
  const known = LEVELS.find((one) => one === level);
  if (level !== undefined && known === undefined)
    throw usage(`--level ${level}: there is no such level`, `there are: ${LEVELS.join(', ')}`);
  return {
    ...(type !== undefined && { type }),
    ...(member !== undefined && { member }),
    ...(known !== undefined && { level: known }),
  };
}

function parseLimit(text: string): number {
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= LIMIT_MAX) return limit;
  throw usage(`--limit ${text}: a number from 1 to ${LIMIT_MAX}`);
}

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `2h` ago, or a time. */
export function parseSince(text: string, now: number): number {
  const ago = /^(\d{1,9})([smhd])$/.exec(text);
  if (ago !== null) return now - Number(ago[1]) * (UNITS[ago[2] ?? ''] ?? 0);
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(at)) return at;
  throw usage(`--since ${text}: this is no time`, 'such as 30m, 2h, 7d, or 2026-01-31T12:00:00Z');
}

function usage(message: string, hint?: string): LockstepError {
  return new LockstepError({ code: 'cli.usage', message, ...(hint !== undefined && { hint }) });
}
