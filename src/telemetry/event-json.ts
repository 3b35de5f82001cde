import { describeEvent, EVENTS } from './events.ts';
import type { EngineEvent, EventLevel, EventType } from './events.ts';
import { scrub, scrubText } from './scrub.ts';

/** An event as programs read it, without secrets. */
export interface EventJson {
  /** ISO 8601. */
  readonly at: string;
  readonly type: EventType;
  readonly level: EventLevel;
  /** The member that it is about. */
  readonly member?: string;
  /** One line for people. */
  readonly text: string;
  /** What the event says, by name. */
  readonly data: Readonly<Record<string, unknown>>;
}

export function eventToJson(event: EngineEvent): EventJson {
  const { at, type, ...data } = event;
  return {
    at,
    type,
    level: EVENTS[type].level,
    ...('member' in event && { member: event.member }),
    text: scrubText(describeEvent(event)),
    data: scrub(data) as Readonly<Record<string, unknown>>,
  };
}
