/**
 * Server-sent events: status, events and traffic as they change. A reader that does not read misses what is replaced a second
 * later anyway, and is cut off before much is kept for it; its browser comes back and is told which events it has missed.
 */
import type { ServerResponse } from 'node:http';
import { LockstepError } from '../../base/index.ts';
import type { Clock } from '../../base/index.ts';
import type { Role } from '../command.ts';
import type { EventEntry } from '../insight.ts';
import type { Operations } from '../operations.ts';

const STATUS_MS = 1000;
const HEARTBEAT_MS = 15_000;
const STREAMS_MAX = 50;
/** Whoever may only look leaves room for those who operate. */
const LOOKING_MAX = 30;
/** Not yet taken by the reader's side of the connection. */
const WAITING_BYTES_MAX = 512 * 1024;
/** Of the events that a reader has missed. */
const MISSED_MAX = 500;

interface Reader {
  readonly response: ServerResponse;
  readonly role: Role;
  /** Whoever opened it is still let in. */
  readonly allowed: () => boolean;
}

interface Stream extends Reader {
  /** At the last heartbeat something waited, and it has not left since. */
  stalled: boolean;
}

export class LiveStreams {
  readonly #operations: Operations;
  readonly #clock: Clock;
  readonly #streams = new Set<Stream>();
  #unwatch: (() => void) | undefined;
  #cancelTimers: (() => void)[] = [];
  #status = '';

  constructor(operations: Operations, clock: Clock) {
    this.#operations = operations;
    this.#clock = clock;
  }

  /** `headers` go out with the first byte. `lastEventId`: the last event that this reader has seen. */
  async open(reader: Reader, headers: Readonly<Record<string, string>>, lastEventId?: number): Promise<void> {
    const looking = [...this.#streams].filter(({ role }) => role === 'read-only').length;
    if (this.#streams.size >= STREAMS_MAX || (reader.role === 'read-only' && looking >= LOOKING_MAX)) {
      throw new LockstepError({
        code: 'admin.too-many-streams',
        message: `${this.#streams.size} streams are open already`,
        retryable: true,
        hint: 'close a console that nobody looks at',
      });
    }
    const { response } = reader;
    const stream: Stream = { ...reader, stalled: false };
    response.on('drain', () => (stream.stalled = false));
    response.writeHead(200, { ...headers, 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.once('close', () => this.#forget(stream));
    this.#streams.add(stream);
    if (this.#streams.size === 1) this.#begin();
    send(stream, message('status', JSON.stringify(await this.#operations.status())));
    if (lastEventId !== undefined) {
      const { events } = await this.#operations.events({ after: lastEventId, limit: MISSED_MAX });
      for (const event of events.toReversed()) send(stream, eventMessage(event));
    }
  }

  close(): void {
    for (const { response } of this.#streams) response.end();
  }

  #begin(): void {
    this.#unwatch = this.#operations.watch({
      event: (event) => this.#sendAll(eventMessage(event)),
      traffic: (sample) => this.#sendAll(message('traffic', JSON.stringify(sample)), 'replaced'),
    });
    this.#every(STATUS_MS, () => void this.#lookAgain());
    this.#every(HEARTBEAT_MS, () => {
      for (const stream of this.#streams) {
        const { response, allowed, stalled } = stream;
        if (!allowed() || (stalled && response.writableNeedDrain)) response.destroy();
        else if (response.writableNeedDrain) stream.stalled = true;
        else response.write(': still here\n\n');
      }
    });
  }

  #every(ms: number, act: () => void): void {
    const place = this.#cancelTimers.length;
    const again = (): void => {
      this.#cancelTimers[place] = this.#clock.after(ms, () => {
        again();
        act();
      });
    };
    again();
  }

  async #lookAgain(): Promise<void> {
    const status = await this.#operations.status().catch(() => undefined);
    if (status === undefined) return;
    const { uptimeMs: _, ...changing } = status;
    const now = JSON.stringify(changing);
    if (now === this.#status) return;
    this.#status = now;
    this.#sendAll(message('status', JSON.stringify(status)), 'replaced');
  }

  #sendAll(text: string, kind?: 'replaced'): void {
    for (const stream of this.#streams) {
      if (kind === 'replaced' && stream.response.writableNeedDrain) continue;
      send(stream, text);
    }
  }

  #forget(stream: Stream): void {
    this.#streams.delete(stream);
    if (this.#streams.size > 0) return;
    this.#unwatch?.();
    for (const cancel of this.#cancelTimers.splice(0)) cancel();
  }
}

function send({ response }: Stream, text: string): void {
  if (response.writableLength > WAITING_BYTES_MAX) response.destroy();
  else response.write(text);
}

function eventMessage(event: EventEntry): string {
  return `id: ${event.id}\n${message('event', JSON.stringify(event))}`;
}

/** JSON has no line ends of its own. */
function message(name: string, json: string): string {
  return `event: ${name}\ndata: ${json}\n\n`;
}
