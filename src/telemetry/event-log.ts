import { describeEvent, EVENTS } from './events.ts';
import type { EngineEvent, EventSink } from './events.ts';
import type { Logger } from './logger.ts';

/** Writes every event to the log: its sentence as the message, its fields as they are. */
export class EventLog implements EventSink {
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  emit(event: EngineEvent): void {
    const { type, at: _, ...fields } = event;
    this.#logger[EVENTS[type].level]({ event: type, ...fields }, describeEvent(event));
  }
}
