import { messageOf } from '../base/index.ts';
import type { Clock } from '../base/index.ts';
import type { EngineEventBody, EventSink } from './events.ts';

/** Where the engine reports: gives every event its time and hands it to all sinks. */
export class EventHub {
  readonly #clock: Pick<Clock, 'wallTime'>;
  readonly #sinks: readonly EventSink[];
  readonly #onSinkFailure: (message: string) => void;

  constructor(options: {
    readonly clock: Pick<Clock, 'wallTime'>;
    readonly sinks: readonly EventSink[];
    /** A sink that breaks its promise never to throw is reported here; the others still get the event. */
    readonly onSinkFailure: (message: string) => void;
  }) {
    this.#clock = options.clock;
    this.#sinks = options.sinks;
    this.#onSinkFailure = options.onSinkFailure;
  }

  raise(body: EngineEventBody): void {
    const event = { ...body, at: this.#clock.wallTime().toISOString() };
    for (const sink of this.#sinks) {
      try {
        sink.emit(event);
      } catch (error) {
        this.#onSinkFailure(messageOf(error));
      }
    }
  }
}
