import type { JSX } from 'preact';
import { recentEvents } from '../../state/live.ts';
import { linkTo } from '../../state/route.ts';
import { EventList } from '../../ui/event-list.tsx';
import { Empty } from '../../ui/page.tsx';

const SHOWN = 6;

export function LatestEvents(): JSX.Element {
  const events = recentEvents.value.filter(({ type }) => type !== 'sync-progress').slice(0, SHOWN);
  return (
    <section aria-labelledby="events-title">
      <header class="section-head">
        <h2 id="events-title">Latest events</h2>
        <a href={linkTo('events')}>All events</a>
      </header>
      {events.length === 0 ? <Empty>Nothing has happened yet.</Empty> : <EventList events={events} />}
    </section>
  );
}
