/**
 * What the node tells by itself: its status, each event, a sample of its traffic each second. A connection that is lost, or
 * only silent, is made again, and the page says so meanwhile.
 */
import { computed, signal } from '@preact/signals';
import { getEvents, getTraffic } from '../api/calls.ts';
import { readStream } from '../api/read-stream.ts';
import type { ClusterEvent, ClusterStatus, StreamEvents, TrafficSample } from '../contract.ts';
import { announceEvent } from './announce.ts';
import { stillSignedIn } from './session.ts';

export type Connection =
  | { readonly state: 'connecting' }
  | { readonly state: 'live' }
  | { readonly state: 'lost'; readonly since: number; readonly retryAt: number };

export const connection = signal<Connection>({ state: 'connecting' });
export const status = signal<ClusterStatus | null>(null);
export const traffic = signal<readonly TrafficSample[]>([]);
/** Newest first; those of the last minutes only. The Events page asks for older ones. */
export const recentEvents = signal<readonly ClusterEvent[]>([]);
/** How far the clock of the node is ahead of this computer's. */
export const clockAheadMs = signal(0);
/** The node's wall-clock time, once a second, for everything that says how long ago something was. */
export const now = signal(Date.now());

function nodeNow(): number {
  return Date.now() + clockAheadMs.peek();
}

/** A sample is sent at the moment that it bears; less than this is the way that it takes. */
const CLOCK_SLACK_MS = 1500;

function setClock(at: string): void {
  const aheadMs = Math.round((Date.parse(at) - Date.now()) / 1000) * 1000;
  if (Math.abs(aheadMs - clockAheadMs.peek()) < CLOCK_SLACK_MS) return;
  clockAheadMs.value = Math.abs(aheadMs) < CLOCK_SLACK_MS ? 0 : aheadMs;
  now.value = nodeNow();
}

export const lastSample = computed(() => traffic.value.at(-1));

const SAMPLES_MAX = 900;
const EVENTS_MAX = 200;
/** The node sends a sample each second: silence for so long is a lost connection. */
const SILENCE_MS = 8000;
const RETRY_MS = [500, 1000, 2000, 5000];

let source: AbortController | undefined;
let heardAt = 0;
let failures = 0;
let retryTimer: number | undefined;
let ticker: number | undefined;

export function startLive(): void {
  stopLive();
  ticker = window.setInterval(tick, 1000);
  open();
}

export function stopLive(): void {
  window.clearInterval(ticker);
  close();
  connection.value = { state: 'connecting' };
}

export function retryNow(): void {
  close();
  open();
}

function tick(): void {
  now.value = nodeNow();
  if (source !== undefined && Date.now() - heardAt > SILENCE_MS) lose();
}

function close(): void {
  window.clearTimeout(retryTimer);
  source?.abort();
  source = undefined;
}

function open(): void {
  heardAt = Date.now();
  const stream = new AbortController();
  source = stream;
  const hear = (): void => {
    heardAt = Date.now();
  };
  const onOpen = (): void => {
    hear();
    failures = 0;
    connection.value = { state: 'live' };
    void backfill();
  };
  const onMessage = (name: string, data: string): void => {
    if (source === stream && isKnown(name)) TAKERS[name](JSON.parse(data) as never);
  };
  void readStream('/api/stream', { onOpen, onBytes: hear, onMessage }, stream.signal).catch(() => {
    if (source === stream) lose();
  });
}

const TAKERS: { readonly [K in keyof StreamEvents]: (value: StreamEvents[K]) => void } = {
  status: (value) => {
    status.value = value;
  },
  traffic: (sample) => {
    setClock(sample.at);
    traffic.value = [...traffic.value.slice(1 - SAMPLES_MAX), sample];
  },
  event: (event) => {
    addEvents([event]);
    announceEvent(event);
  },
};

function isKnown(name: string): name is keyof StreamEvents {
  return Object.hasOwn(TAKERS, name);
}

function lose(): void {
  close();
  const delay = RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] ?? 0;
  failures += 1;
  const before = connection.value;
  const since = before.state === 'lost' ? before.since : nodeNow();
  connection.value = { state: 'lost', since, retryAt: nodeNow() + delay };
  retryTimer = window.setTimeout(() => void comeBack(), delay);
}

async function comeBack(): Promise<void> {
  const known = await stillSignedIn();
  if (connection.peek().state !== 'lost') return;
  if (known === true) open();
  else if (known === undefined) lose();
}

/** What happened before the stream was there. */
async function backfill(): Promise<void> {
  const [samples, events] = await Promise.allSettled([getTraffic(), getEvents({}, EVENTS_MAX)]);
  if (samples.status === 'fulfilled') {
    const later = traffic.peek().filter(({ at }) => at > (samples.value.samples.at(-1)?.at ?? ''));
    traffic.value = [...samples.value.samples, ...later].slice(-SAMPLES_MAX);
  }
  if (events.status === 'fulfilled') addEvents(events.value.events);
}

function addEvents(events: readonly ClusterEvent[]): void {
  const known = new Map([...recentEvents.peek(), ...events].map((event) => [event.id, event]));
  recentEvents.value = [...known.values()].sort((a, b) => b.id - a.id).slice(0, EVENTS_MAX);
}
