/** Sizes as people write and read them. */
import { LockstepError } from '../base/index.ts';

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};

/** `20MB`, `512 KiB`, `20MB/s`: in bytes. `option` is named when it is none. */
export function parseRate(option: string, text: string): number {
  const match = /^(\d{1,12}(?:\.\d{1,3})?) ?([kmg]i?b|)(?:\/s)?$/i.exec(text);
  const unit = Object.entries(UNITS).find(([name]) => name.toLowerCase() === match?.[2]?.toLowerCase());
  if (match === null || unit === undefined) {
    throw new LockstepError({
      code: 'cli.usage',
      message: `${option} ${text}: this is not a rate`,
      hint: 'a number of bytes in a second, or a number with kB, MB, GB, KiB, MiB or GiB, such as 20MB',
    });
  }
  return Math.round(Number(match[1]) * unit[1]);
}

/** `1.2 GB`: three digits are enough to see how it goes. */
export function bytesText(bytes: number): string {
  return short(bytes, ['B', 'kB', 'MB', 'GB', 'TB']);
}

/** `1.2M`, for numbers that move. */
export function countText(count: number): string {
  return short(count, ['', 'k', 'M', 'G', 'T']).replace(' ', '');
}

/** `1,204,112`, for numbers that stay. */
export function exactText(count: number): string {
  return String(count).replace(/\B(?=(?:\d{3})+$)/g, ',');
}

function short(value: number, units: readonly string[]): string {
  let scaled = value;
  let place = 0;
  while (scaled >= 999.5 && place < units.length - 1) {
    scaled /= 1000;
    place += 1;
  }
  const digits = place === 0 || scaled >= 99.95 ? 0 : scaled >= 9.995 ? 1 : 2;
  return `${scaled.toFixed(digits)} ${units[place] ?? ''}`.trimEnd();
}
