/** How an option is entered, from what is said about it. Pure. */
import type { ConfigOption, ConfigView } from '../../contract.ts';
import { duration } from '../../text/format.ts';

export type OptionKind = 'flag' | 'choice' | 'number' | 'size' | 'secret' | 'words' | 'list' | 'text';

/** The values that may stand there, where they are named one by one. */
export function choicesOf({ allowed }: ConfigOption): readonly string[] | undefined {
  const pieces = allowed.split(', ');
  return pieces.every((piece) => /^`[^`{]+`$/.test(piece))
    ? pieces.map((piece) => piece.slice(1, -1))
    : undefined;
}

export function kindOf(option: ConfigOption): OptionKind {
  const choices = choicesOf(option);
  if (choices !== undefined) return choices.join() === 'true,false' ? 'flag' : 'choice';
  if (/^list of \w+ names$/.test(option.allowed)) return 'words';
  if (option.type === 'secret' || option.type === 'list') return option.type;
  if (option.allowed.startsWith('whole number')) return 'number';
  return option.allowed.startsWith('size') ? 'size' : 'text';
}

/** `users.name`: there are as many of it as there are users. */
export function isWithinList({ options }: ConfigView, { path }: ConfigOption): boolean {
  return options.some((other) => other.type === 'list' && path.startsWith(`${other.path}.`));
}

export function allowedText(option: ConfigOption): string {
  const allowed = option.allowed.replaceAll('`', '');
  return kindOf(option) === 'words' ? `${allowed}, with commas between them` : allowed;
}

/** As it is entered in the field; empty: as by default. */
export function textOf(config: ConfigView, option: ConfigOption): string {
  const value = valueAt(config.values, option.path);
  if (value === undefined || value === null) return '';
  if (option.type === 'secret') return placeText(value);
  if (kindOf(option) === 'words' && Array.isArray(value)) return value.join(', ');
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Where a secret is: `file:/etc/key`, `env:NAME`, and `here:…` when it is entered; empty when it stands in the configuration itself, which is not shown. */
function placeText(value: unknown): string {
  if (typeof value !== 'object' || value === null) return '';
  const [[kind, where] = []] = Object.entries(value);
  return typeof where === 'string' ? `${kind}:${where}` : '';
}

function placeOf(text: string): string | { readonly file: string } | { readonly env: string } {
  if (text.startsWith('here:')) return text.slice('here:'.length);
  const where = text.slice(text.indexOf(':') + 1).trim();
  return text.startsWith('env:') ? { env: where } : { file: where };
}

function valueAt(values: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>(
      (at, key) =>
        typeof at === 'object' && at !== null ? (at as Readonly<Record<string, unknown>>)[key] : undefined,
      values,
    );
}

/** As it is sent: what does not fit its kind goes as it was entered, and the node says what it wants. Null: as by default. */
export function valueOf(kind: OptionKind, text: string): unknown {
  const plain = text.trim();
  if (plain === '') return null;
  if (kind === 'secret') return placeOf(text);
  if (kind === 'words') return plain.split(',').map((word) => word.trim());
  if (kind === 'flag') return plain === 'true';
  if ((kind === 'number' || kind === 'size') && /^\d+$/.test(plain)) return Number(plain);
  return plain;
}

/** `5000` of `…Ms` is 5 s; undefined where the number says it all. */
export function inWords({ path }: ConfigOption, text: string): string | undefined {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value <= 0) return undefined;
  if (path.endsWith('Ms')) return value < 1000 ? `${value} ms` : duration(value);
  if (path.endsWith('Minutes')) return duration(value * 60_000);
  if (/Bytes/.test(path)) return value < 1024 ? `${value} bytes` : binary(value);
  return undefined;
}

function binary(value: number): string {
  const units = ['KiB', 'MiB', 'GiB'];
  let scaled = value / 1024;
  let place = 0;
  while (scaled >= 1024 && place < units.length - 1) {
    scaled /= 1024;
    place += 1;
  }
  return `${Number(scaled.toFixed(1))} ${units[place] ?? ''}`;
}

const TITLES: Readonly<Record<string, string>> = {
  username: 'User name',
  tls: 'TLS',
  ca: 'CA certificates',
  pgDump: 'Program pg_dump',
  postgres: 'Address for clients',
  admin: 'Address of this console',
  allowRemote: 'Let other machines in',
  maxBytesPerSecond: 'Read at most',
};
/** Names that say little without their section. */
const PATHS: Readonly<Record<string, string>> = {
  source: 'At the first start, the database whose data count',
  'tls.mode': 'TLS to the databases',
  'tls.ca': 'CA certificates of the databases',
  'tls.cert': 'Certificate shown to the databases',
  'tls.key': 'Key of that certificate',
  'listen.tls.cert': 'Certificate shown to clients',
  'listen.tls.key': 'Key of that certificate, for clients',
};
const UNITS: readonly (readonly [ending: string, unit: string])[] = [
  ['Ms', 'ms'],
  ['Minutes', 'minutes'],
  ['BytesPerSecond', 'bytes/s'],
  ['Bytes', 'bytes'],
];

/** `probe.backOffMaxMs`: Back off max, in ms. */
export function titleOf({ path }: ConfigOption): {
  readonly title: string;
  readonly unit: string | undefined;
} {
  const name = path.split('.').at(-1) ?? path;
  const [ending, unit] = UNITS.find(([end]) => name.endsWith(end) && name !== end) ?? [];
  const bare = ending === undefined ? name : name.slice(0, -ending.length);
  const words = bare.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).trim();
  return { title: PATHS[path] ?? TITLES[name] ?? `${words.charAt(0).toUpperCase()}${words.slice(1)}`, unit };
}
