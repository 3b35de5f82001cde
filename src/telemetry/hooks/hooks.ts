/**
 * Hooks: programs and webhooks that are told of events. Nobody waits for them. Each hook is told of one event after the
 * other, in their order; what waits is bounded, and what is beyond that is dropped and counted; only so many attempts are
 * under way at once. Failures are events themselves, of which no hook is told, so that none can feed itself.
 */
import { randomUUID } from 'node:crypto';
import { messageOf, pause } from '../../base/index.ts';
import type { Clock } from '../../base/index.ts';
import { eventToJson } from '../event-json.ts';
import { EVENTS } from '../events.ts';
import type { EngineEvent, EngineEventBody, EventSink, EventType } from '../events.ts';
import { HookFailure } from './hook.ts';
import type { Hook } from './hook.ts';
import { postWebhook } from './post-webhook.ts';
import { runCommand } from './run-command.ts';

export interface HooksOptions {
  readonly hooks: readonly Hook[];
  readonly cluster: string;
  readonly clock: Clock;
  /** The node's; only a little of it is handed on. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  raise(event: EngineEventBody): void;
  /** Default as below. */
  readonly limits?: Partial<HookLimits>;
}

export interface HookLimits {
  /** Events that wait for one hook. */
  readonly waiting: number;
  /** Attempts under way, of all hooks. */
  readonly atOnce: number;
  /** Between two attempts at a webhook: from this, doubling, to that. */
  readonly retryMs: number;
  readonly retryMaxMs: number;
  /** When the node stops: time for what is under way and what waits. */
  readonly stopMs: number;
}

const LIMITS: HookLimits = { waiting: 1000, atOnce: 4, retryMs: 1000, retryMaxMs: 60_000, stopMs: 2000 };

/** Of these no hook is told. */
const OWN: readonly EventType[] = ['hook-failed', 'hook-dropped'];

interface Lane {
  hook: Hook;
  readonly waiting: EngineEvent[];
  dropped: number;
  working: boolean;
}

export class Hooks implements EventSink {
  readonly #options: HooksOptions;
  readonly #limits: HookLimits;
  readonly #stopping = new AbortController();
  readonly #working = new Set<Promise<void>>();
  /** Those who wait for a place. */
  readonly #queue: (() => void)[] = [];
  #lanes: readonly Lane[];
  #free: number;
  #closed = false;

  constructor(options: HooksOptions) {
    this.#options = options;
    this.#limits = { ...LIMITS, ...options.limits };
    this.#free = this.#limits.atOnce;
    this.#lanes = options.hooks.map(newLane);
  }

  emit(event: EngineEvent): void {
    if (this.#closed || OWN.includes(event.type)) return;
    for (const lane of this.#lanes) {
      if (!wants(lane.hook, event.type)) continue;
      if (lane.waiting.length >= this.#limits.waiting) lane.dropped += 1;
      else lane.waiting.push(event);
      if (!lane.working) this.#begin(lane);
    }
  }

  /** Others from now on. What waits for one that stays, by its name, goes to it as it is now. */
  replace(hooks: readonly Hook[]): void {
    const gone = this.#lanes.filter(({ hook }) => !hooks.some(({ name }) => name === hook.name));
    for (const { waiting } of gone) waiting.length = 0;
    this.#lanes = hooks.map((hook) => {
      const lane = this.#lanes.find((one) => one.hook.name === hook.name) ?? newLane(hook);
      lane.hook = hook;
      return lane;
    });
  }

  /** Lets what is there be told, for a while, and ends the rest. */
  async close(): Promise<void> {
    this.#closed = true;
    const late = this.#options.clock.after(this.#limits.stopMs, () => this.#stopping.abort());
    await Promise.all(this.#working);
    late();
  }

  #begin(lane: Lane): void {
    lane.working = true;
    const work = this.#work(lane).finally(() => {
      lane.working = false;
      this.#working.delete(work);
    });
    this.#working.add(work);
  }

  async #work(lane: Lane): Promise<void> {
    for (let event = lane.waiting.shift(); event !== undefined; event = lane.waiting.shift()) {
      await this.#tell(lane, event);
      if (this.#stopping.signal.aborted) lane.dropped += lane.waiting.splice(0).length;
      if (lane.dropped > 0) {
        this.#options.raise({ type: 'hook-dropped', hook: lane.hook.name, events: lane.dropped });
        lane.dropped = 0;
      }
    }
  }

  async #tell({ hook }: Lane, event: EngineEvent): Promise<void> {
    const { clock } = this.#options;
    const id = randomUUID();
    const { retryMs, retryMaxMs } = this.#limits;
    const attempts = hook.action.kind === 'post' ? hook.action.attempts : 1;
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#inPlace(() => this.#attempt(hook, event, id));
        return;
      } catch (error) {
        const again = error instanceof HookFailure && error.worthRetrying && attempt < attempts;
        if (!again || this.#stopping.signal.aborted) {
          const reason = `${messageOf(error)}${attempt > 1 ? ` (attempt ${attempt})` : ''}`;
          this.#options.raise({ type: 'hook-failed', hook: hook.name, event: event.type, reason });
          return;
        }
        await pause(clock, Math.min(retryMs * 2 ** (attempt - 1), retryMaxMs), this.#stopping.signal);
      }
    }
  }

  #attempt({ name, action, timeoutMs }: Hook, event: EngineEvent, id: string): Promise<void> {
    const { cluster, environment } = this.#options;
    const { signal } = this.#stopping;
    const body = `${JSON.stringify({ cluster, hook: name, id, ...eventToJson(event) })}\n`;
    if (action.kind === 'post') {
      const { url, authorization } = action;
      return postWebhook({ url, authorization, body, id, timeoutMs, signal });
    }
    const variables = { LOCKSTEP_CLUSTER: cluster, LOCKSTEP_HOOK: name, LOCKSTEP_EVENT: event.type };
    return runCommand({ command: action.command, input: body, variables, environment, timeoutMs, signal });
  }

  /** At most so many at once, in the order in which they came. */
  async #inPlace(work: () => Promise<void>): Promise<void> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#queue.push(resolve));
    try {
      await work();
    } finally {
      const next = this.#queue.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}

function newLane(hook: Hook): Lane {
  return { hook, waiting: [], dropped: 0, working: false };
}

function wants({ on }: Hook, type: EventType): boolean {
  if (on !== undefined) return on.includes(type);
  return EVENTS[type].level === 'warn' || EVENTS[type].level === 'error';
}
