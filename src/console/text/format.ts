/** Numbers, sizes and times as people read them. A value that is not known is a dash. */

export const UNKNOWN = '–';

const grouped = new Intl.NumberFormat('en');

/** `12,345` */
export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? UNKNOWN : grouped.format(value);
}

/** `1 member`, `2 members` */
export function amount(value: number, noun: string): string {
  return `${grouped.format(value)} ${noun}${value === 1 ? '' : 's'}`;
}

/** Of something each second: `0`, `3.5`, `1,240` */
export function rate(value: number | null | undefined): string {
  if (value === null || value === undefined) return UNKNOWN;
  return value > 0 && value < 10 ? String(Number(value.toFixed(1))) : grouped.format(Math.round(value));
}

/** `0.42 ms`, `12 ms`, `1.4 s` */
export function milliseconds(value: number | null | undefined): string {
  if (value === null || value === undefined) return UNKNOWN;
  if (value >= 60_000) return duration(value);
  if (value >= 1000) return `${Number((value / 1000).toFixed(value < 10_000 ? 1 : 0))} s`;
  return `${Number(value.toFixed(value < 1 ? 2 : value < 10 ? 1 : 0))} ms`;
}

/** `1.2 GB` */
export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let scaled = value;
  let place = 0;
  while (scaled >= 999.5 && place < units.length - 1) {
    scaled /= 1000;
    place += 1;
  }
  const digits = place === 0 || scaled >= 99.95 ? 0 : scaled >= 9.995 ? 1 : 2;
  return `${scaled.toFixed(digits)} ${units[place] ?? ''}`;
}

/** The two largest units that are not zero: `3 d 4 h`, `12 s`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const parts = (
    [
      [Math.floor(seconds / 86_400), 'd'],
      [Math.floor(seconds / 3600) % 24, 'h'],
      [Math.floor(seconds / 60) % 60, 'min'],
      [seconds % 60, 's'],
    ] as const
  ).map(([number, unit]) => ({ number, unit }));
  const first = parts.findIndex(({ number }) => number > 0);
  if (first === -1) return '0 s';
  return parts
    .slice(first, first + 2)
    .filter(({ number }) => number > 0)
    .map(({ number, unit }) => `${number} ${unit}`)
    .join(' ');
}

/** `12 s ago`; whatever is less than two seconds old is `just now`. */
export function ago(at: string, now: number): string {
  const ms = now - Date.parse(at);
  return ms < 2000 ? 'just now' : `${duration(ms)} ago`;
}

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat('en-GB', {
  weekday: 'short',
  day: 'numeric',
  month: 'short',
  year: 'numeric',
});

/** The zone in which times are shown here: `UTC+02:00`. */
export function zoneOf(at: string): string {
  const minutes = -new Date(at).getTimezoneOffset();
  if (minutes === 0) return 'UTC';
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  const two = (value: number): string => String(value).padStart(2, '0');
  return `UTC${minutes < 0 ? '−' : '+'}${two(hours)}:${two(rest)}`;
}

/** In both zones, for whoever holds it against a log: `14:03:12 UTC+02:00 = 12:03:12 UTC`. */
export function inBothZones(at: string): string {
  const utc = `${at.slice(0, 10)} ${at.slice(11, 19)} UTC`;
  return zoneOf(at) === 'UTC' ? utc : `${timeOfDay(at)} ${zoneOf(at)} = ${utc}`;
}

/** `14:03:12` */
export function timeOfDay(at: string): string {
  return clock.format(new Date(at));
}

/** `Mon, 23 Nov 2026` */
export function dayOf(at: string): string {
  return day.format(new Date(at));
}
