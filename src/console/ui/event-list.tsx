import type { JSX } from 'preact';
import type { ClusterEvent } from '../contract.ts';
import { dayOf, inBothZones, timeOfDay, zoneOf } from '../text/format.ts';
import type { Tone } from '../text/words.ts';
import { Badge, Tag } from './badge.tsx';

const LEVELS: Readonly<Record<ClusterEvent['level'], { readonly tone: Tone; readonly text: string }>> = {
  debug: { tone: 'idle', text: 'Detail' },
  info: { tone: 'idle', text: 'Info' },
  warn: { tone: 'warn', text: 'Warning' },
  error: { tone: 'bad', text: 'Error' },
};

const LONG = 100;

/** Newest first, each day under its own heading. */
export function EventList({ events }: { readonly events: readonly ClusterEvent[] }): JSX.Element {
  return (
    <ol class={events.length > LONG ? 'events long' : 'events'}>
      {events.map((event, place) => {
        const before = events[place - 1];
        const newDay = before === undefined || dayOf(before.at) !== dayOf(event.at);
        return <EventRow key={event.id} event={event} newDay={newDay} />;
      })}
    </ol>
  );
}

function EventRow({
  event,
  newDay,
}: {
  readonly event: ClusterEvent;
  readonly newDay: boolean;
}): JSX.Element {
  const { tone, text } = LEVELS[event.level];
  return (
    <li class={newDay ? 'event new-day' : 'event'}>
      {newDay && (
        <span class="event-day">
          {dayOf(event.at)} <span class="event-zone">times in {zoneOf(event.at)}</span>
        </span>
      )}
      <time dateTime={event.at} title={inBothZones(event.at)} class="event-time number">
        {timeOfDay(event.at)}
      </time>
      <Badge tone={tone}>{text}</Badge>
      <span class="event-text">{event.text}</span>
      <span class="event-tags">
        {event.member !== undefined && <Tag>{event.member}</Tag>}
        <code class="event-type">{event.type}</code>
      </span>
    </li>
  );
}
