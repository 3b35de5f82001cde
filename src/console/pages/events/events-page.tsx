/** Everything that has happened, newest first. New events come in on top while the page is open. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { getEvents } from '../../api/calls.ts';
import type { EventFilter } from '../../api/calls.ts';
import type { ClusterEvent, EventPage as Loaded } from '../../contract.ts';
import { recentEvents, status } from '../../state/live.ts';
import { route } from '../../state/route.ts';
import { amount } from '../../text/format.ts';
import { EventList } from '../../ui/event-list.tsx';
import { SearchField, Select } from '../../ui/field.tsx';
import { ErrorNotice } from '../../ui/notice.tsx';
import { Empty, PageHead, Waiting } from '../../ui/page.tsx';
import { useAction } from '../../ui/use-action.ts';
import { WANTED_TYPES } from './event-types.ts';

const PAGE = 200;

const LEVELS = [
  ['', 'All'],
  ['warn', 'Warnings and errors'],
  ['error', 'Errors'],
] as const;
const ORDER: readonly string[] = ['debug', 'info', 'warn', 'error'];

export function EventsPage(): JSX.Element {
  const { query } = route.value;
  const [filter, setFilter] = useState<Required<EventFilter>>({
    type: query.get('type') ?? '',
    member: query.get('member') ?? '',
    level: query.get('level') ?? '',
  });
  const [words, setWords] = useState('');
  const { events, more, action, loadOlder } = useEvents(filter);
  const members = status.value?.members.map(({ id }) => id) ?? [];
  const shown = events?.filter((event) => hasWords(event, words));
  const types = [...new Set([...WANTED_TYPES, ...(events ?? []).map(({ type }) => type)])].sort();
  const change = (part: EventFilter) => setFilter({ ...filter, ...part });
  return (
    <>
      <PageHead
        title="Events"
        text="Everything that has happened to this cluster, with its reason. The node's own log and files are in UTC."
      />
      <div class="filters">
        <SearchField label="Find in text" value={words} onInput={setWords} />
        <Select label="Level" value={filter.level} choices={LEVELS} onChange={(level) => change({ level })} />
        <Select
          label="Member"
          value={filter.member}
          choices={[['', 'All members'], ...members.map((id) => [id, id] as const)]}
          onChange={(member) => change({ member })}
        />
        <Select
          label="Kind"
          value={filter.type}
          choices={[['', 'All kinds'], ...types.map((type) => [type, type] as const)]}
          onChange={(type) => change({ type })}
        />
        <p class="filter-count" role="status">
          {shown !== undefined && `${amount(shown.length, 'event')} shown`}
        </p>
      </div>
      {action.error !== undefined && <ErrorNotice error={action.error} />}
      {shown === undefined && action.error === undefined && <Waiting />}
      {shown?.length === 0 && <Empty>No event matches.</Empty>}
      {shown !== undefined && shown.length > 0 && <EventList events={shown} />}
      {more && (
        <div class="more">
          <button type="button" class="button" aria-disabled={action.busy} onClick={() => void loadOlder()}>
            {action.busy ? 'Loading …' : 'Show older events'}
          </button>
        </div>
      )}
    </>
  );
}

/** What the node keeps that passes the filter, from the newest as far as it was asked for; and what comes new. */
function useEvents(filter: EventFilter) {
  const [loaded, setLoaded] = useState<Loaded>();
  const action = useAction();
  useEffect(() => {
    let wanted = true;
    setLoaded(undefined);
    void action
      .run(() => getEvents(filter, PAGE))
      .then((page) => {
        if (wanted && page !== undefined) setLoaded(page);
      });
    return () => {
      wanted = false;
    };
  }, [filter]);

  const newest = loaded?.events[0]?.id ?? 0;
  const fresh =
    loaded === undefined
      ? []
      : recentEvents.value.filter((event) => event.id > newest && passes(event, filter));
  const loadOlder = async () => {
    const before = loaded?.events.at(-1)?.id;
    const page = await action.run(() => getEvents(filter, PAGE, before));
    if (page === undefined || loaded === undefined) return;
    setLoaded({ events: [...loaded.events, ...page.events], more: page.more });
  };
  const events = loaded === undefined ? undefined : [...fresh, ...loaded.events];
  return { events, more: loaded?.more === true, action, loadOlder };
}

function passes(event: ClusterEvent, { type = '', member = '', level = '' }: EventFilter): boolean {
  return (
    (type === '' || event.type === type) &&
    (member === '' || event.member === member) &&
    ORDER.indexOf(event.level) >= ORDER.indexOf(level)
  );
}

function hasWords({ text, type, member }: ClusterEvent, words: string): boolean {
  const asked = words.trim().toLowerCase();
  return asked === '' || `${text} ${type} ${member ?? ''}`.toLowerCase().includes(asked);
}
