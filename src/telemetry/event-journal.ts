/**
 * What happened, for whoever asks later: the newest events in memory, numbered, and a bounded file from which they come back
 * after a restart. Writing never waits and never throws: what cannot be written is not kept, and that is said once. Nothing is
 * forced to the disk: after a loss of power the last events may be missing, which is why nothing is ever decided by them.
 */

import { mkdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../base/index.ts';
import { EVENTS, describeEvent } from './events.ts';
import type { EngineEvent, EventLevel, EventSink, EventType } from './events.ts';

export interface EventRecord {
  /** Grows by one with each event, also across restarts. */
  readonly id: number;
  /** ISO 8601. */
  readonly at: string;
  /** One of another version may be of a kind that is not known any more; what it says stands in its text. */
  readonly type: string;
  readonly level: EventLevel;
  /** The member that it is about. */
  readonly member?: string;
  /** One line for people. */
  readonly text: string;
  /** What is said about this type of event. */
  readonly data: Readonly<Record<string, unknown>>;
}

export interface EventFilter {
  /** At most so many, the newest. */
  readonly limit?: number;
  readonly type?: string;
  /** This important, or more. */
  readonly level?: EventLevel;
  readonly member?: string;
  /** Only older ones than this id. */
  readonly before?: number;
  /** Only newer ones than this id. */
  readonly after?: number;
}

export interface EventJournalOptions {
  /** Absent: nothing is kept across restarts. */
  readonly directory?: string;
  readonly eventsMax?: number;
  /** Twice as much is kept at most: the file, and the one before it. */
  readonly fileBytesMax?: number;
  readonly onFailure: (message: string) => void;
}

const LEVELS: readonly EventLevel[] = ['debug', 'info', 'warn', 'error'];
const EVENTS_MAX = 10_000;
const FILE_BYTES_MAX = 4 << 20;
/** Lines that wait to be written. More are not kept. */
const PENDING_MAX = 10_000;
const LIMIT_DEFAULT = 100;
/** How far work is interests nobody after it; `status` says it meanwhile. */
const FLEETING: ReadonlySet<EventType> = new Set<EventType>(['sync-progress']);

export class EventJournal implements EventSink {
  readonly #eventsMax: number;
  readonly #fileBytesMax: number;
  readonly #path: string | undefined;
  readonly #onFailure: (message: string) => void;
  readonly #listeners = new Set<(record: EventRecord) => void>();
  readonly #counts = new Map<string, number>();
  /** The oldest first. */
  #records: EventRecord[] = [];
  #lastId = 0;
  #fileBytes = 0;
  #pending: string[] = [];
  #writing: Promise<void> | undefined;
  #failing = false;
  #closed = false;

  constructor(options: EventJournalOptions) {
    const { directory, eventsMax = EVENTS_MAX, fileBytesMax = FILE_BYTES_MAX, onFailure } = options;
    this.#eventsMax = eventsMax;
    this.#fileBytesMax = fileBytesMax;
    this.#onFailure = onFailure;
    if (directory === undefined) return;
    this.#path = join(directory, 'events.jsonl');
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      this.#load(older(this.#path));
      const torn = this.#load(this.#path);
      // What comes next must not be lost together with a line that a crash has cut off.
      if (torn) this.#pending.push('\n');
      this.#fileBytes = statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0;
    } catch (error) {
      this.#failed(error);
    }
    this.#trim(0);
  }

  emit(event: EngineEvent): void {
    const { type, at, ...data } = event;
    this.#counts.set(type, (this.#counts.get(type) ?? 0) + 1);
    if (FLEETING.has(type)) return;
    const record: EventRecord = {
      id: ++this.#lastId,
      at,
      type,
      level: EVENTS[type].level,
      ...('member' in data && { member: data.member }),
      text: describeEvent(event),
      data,
    };
    this.#records.push(record);
    this.#trim(this.#eventsMax >> 2);
    for (const listener of this.#listeners) listener(record);
    if (this.#path === undefined || this.#closed || this.#pending.length >= PENDING_MAX) return;
    this.#pending.push(`${JSON.stringify(record)}\n`);
    this.#writing ??= this.#write(this.#path).finally(() => (this.#writing = undefined));
  }

  /** The newest first; `more`: there are older ones that fit. */
  find(filter: EventFilter = {}): { readonly events: readonly EventRecord[]; readonly more: boolean } {
    const { limit = LIMIT_DEFAULT, type, level, member, before = Infinity, after = 0 } = filter;
    const least = level === undefined ? 0 : LEVELS.indexOf(level);
    const events: EventRecord[] = [];
    for (let place = this.#records.length - 1; place >= 0; place -= 1) {
      const record = this.#records[place] as EventRecord;
      if (record.id <= after) break;
      if (record.id >= before || LEVELS.indexOf(record.level) < least) continue;
      if (type !== undefined && record.type !== type) continue;
      if (member !== undefined && record.member !== member) continue;
      if (events.length === limit) return { events, more: true };
      events.push(record);
    }
    return { events, more: false };
  }

  /** Since this program started, by type. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  /** Returns how to stop listening. A listener neither throws nor waits. */
  listen(listener: (record: EventRecord) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Resolves when everything is written that could be. What is raised from now on is not kept. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.flush();
  }

  /** Resolves when everything is written that could be. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  #trim(slack: number): void {
    if (this.#records.length > this.#eventsMax + slack) this.#records = this.#records.slice(-this.#eventsMax);
  }

  async #write(path: string): Promise<void> {
    // What is raised in one go is written in one go.
    await Promise.resolve();
    while (this.#pending.length > 0) {
      const text = this.#pending.splice(0).join('');
      try {
        if (this.#fileBytes > this.#fileBytesMax) {
          renameSync(path, older(path));
          this.#fileBytes = 0;
        }
        await appendFile(path, text, { mode: 0o600 });
        this.#fileBytes += Buffer.byteLength(text);
        this.#failing = false;
      } catch (error) {
        this.#failed(error);
      }
    }
  }

  #failed(error: unknown): void {
    if (!this.#failing) this.#onFailure(`events are not kept across a restart: ${messageOf(error)}`);
    this.#failing = true;
  }

  /** Whether its last line was cut off. That one, and any other that is not whole, is passed over. */
  #load(path: string): boolean {
    if (statSync(path, { throwIfNoEntry: false }) === undefined) return false;
    const text = readFileSync(path, 'utf8');
    for (const line of text.split('\n')) {
      const record = parseRecord(line);
      if (record === undefined || record.id <= this.#lastId) continue;
      this.#records.push(record);
      this.#lastId = record.id;
    }
    return text !== '' && !text.endsWith('\n');
  }
}

function parseRecord(line: string): EventRecord | undefined {
  try {
    const record = JSON.parse(line) as Partial<EventRecord> | null;
    const whole =
      Number.isSafeInteger(record?.id) &&
      typeof record?.at === 'string' &&
      typeof record.type === 'string' &&
      typeof record.text === 'string' &&
      typeof record.data === 'object' &&
      LEVELS.includes(record.level as EventLevel);
    return whole ? (record as EventRecord) : undefined;
  } catch {
    return undefined;
  }
}

function older(path: string): string {
  return `${path}.1`;
}
