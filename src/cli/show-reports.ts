/** What long work found and did, for people. */
import type {
  MemberDifference,
  SyncReport,
  TableChange,
  VerificationReport,
  VerifyReport,
} from '../admin/index.ts';
import { bytesText, exactText } from './byte-size.ts';
import { duration } from './show-status.ts';
import { oneLine } from './table.ts';

export function showSync(report: SyncReport): string {
  const { member, source, strategy, reason, dryRun, tables, keptFile, rows, bytes, tookMs } = report;
  const from = source === null ? '' : ` from ${source}`;
  const changes = tables.flatMap((one) => changeLines(one, dryRun ? WOULD : DID));
  const how = `by ${strategy}${from}: ${reason}`;
  if (dryRun && strategy === 'replay')
    return `Member ${member} would be given the commits that it missed, ${how}.`;
  if (dryRun && strategy === 'passive')
    return `Nothing would be compared: ${member} would be taken for level.`;
  if (dryRun) {
    return tables.length === 0
      ? `No row of ${member} would change (${how}).`
      : [`On ${member} these rows would change, ${how}`, ...changes].join('\n');
  }
  const did = `${amount(rows, 'row')}, ${bytesText(bytes)}, in ${took(tookMs)}`;
  return [
    `Member ${member} is active. It was brought level ${how}.`,
    `${did}.`,
    ...changes,
    ...(keptFile === null ? [] : [`Rows that were removed or overwritten are in ${keptFile}`]),
  ].join('\n');
}

export function showVerification(report: VerifyReport): string {
  const { outcome, reason, csn, members, tables, rows, differences, contested, settled, tookMs } = report;
  const scope = `${members.join(', ')}: ${amount(tables, 'table')}, ${amount(rows, 'row')}${csn === null ? '' : ` at CSN ${csn}`}, in ${took(tookMs)}`;
  const open = reason === null ? [] : [`Not checked: ${oneLine(reason)}`];
  if (outcome === 'equal') return [`Equal: ${scope}`, ...open].join('\n');
  if (outcome === 'unchecked') return open.join('\n');
  const wrong = differences.map(({ member }) => member);
  const apart = [...new Set([...wrong, ...contested.map(({ member }) => member)])];
  return [
    `Different: ${apart.length === 0 ? 'rows of nobody' : apart.join(', ')}, of ${scope}`,
    ...settled.map(({ member, text }) => `${member}: ${oneLine(text)}`),
    ...differences.flatMap((one) => differenceLines(one)),
    ...contested.flatMap((one) => differenceLines(one, ' from the primary, with which nobody agrees')),
    ...open,
    ...(wrong.length === 0
      ? []
      : [
          `What differs is taken out and brought level by itself; to have it done now: lockstep repair${wrong.length === 1 ? ` ${wrong[0]}` : ''}`,
        ]),
    ...(contested.length === 0
      ? []
      : [
          'Nobody is taken out for what nobody agrees with the primary in, and nothing of it is repaired: lockstep status shows how to decide.',
        ]),
  ].join('\n');
}

/** What is remembered of the last one, with rows side by side. */
export function showLastVerification(report: VerificationReport): string {
  const { at, outcome, reason, csn, members, tables, findings, heldMs, tookMs } = report;
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  return [
    `${WORDS[outcome]}: ${members.join(', ')}, at ${at}`,
    `${amount(tables.length, 'table')}, ${amount(rows, 'row')}${csn === null ? '' : ` at CSN ${csn}`}, in ${took(tookMs)}; commits were held for ${heldMs} ms at most`,
    ...(reason === null ? [] : [`Not checked: ${oneLine(reason)}`]),
    ...findings.map(({ member, text }) => `${member}: ${oneLine(text)}`),
    ...tables.flatMap(rowLines),
  ].join('\n');
}

const WORDS = { equal: 'Equal', differs: 'Different', unchecked: 'Not checked' } as const;

function rowLines({ table, outcome, differences }: VerificationReport['tables'][number]): readonly string[] {
  if (outcome === 'unchecked') return [`${oneLine(table)}: not checked`];
  return differences.flatMap(({ key, columns, values }) => {
    const name = key === null ? 'a row without a key' : pairs(key, Object.keys(key));
    return [
      `${oneLine(table)}: ${name}`,
      ...Object.entries(values).map(
        ([member, row]) => `    ${member}  ${row === null ? '(not there)' : pairs(row, columns)}`,
      ),
    ];
  });
}

function pairs(row: Readonly<Record<string, string | null>>, columns: readonly string[]): string {
  return columns
    .map((column) => `${oneLine(column)}=${row[column] == null ? 'NULL' : oneLine(row[column])}`)
    .join(' ');
}

interface Words {
  readonly missing: string;
  readonly extra: string;
  /** Where both are counted. */
  readonly note?: string;
}

const DID: Words = { missing: 'put in', extra: 'taken out', note: ' (a changed row is one of each)' };
const WOULD: Words = { missing: 'to put in', extra: 'to take out', note: ' (a changed row is one of each)' };
const FOUND: Words = { missing: 'missing', extra: 'too many' };

function differenceLines(
  { member, schema, tables, sequences }: MemberDifference,
  from = '',
): readonly string[] {
  return [
    `${member} differs${from}:`,
    ...schema.map((line) => `  schema: ${oneLine(line)}`),
    ...tables.flatMap((one) => [
      ...changeLines(one, FOUND),
      ...(one.atLeast ? ['    and more than these'] : []),
    ]),
    ...sequences.map((line) => `  sequence: ${oneLine(line)}`),
  ];
}

function changeLines({ table, missing, extra, samples }: TableChange, words: Words): readonly string[] {
  const counts = [
    ...(missing === 0 ? [] : [`${amount(missing, 'row')} ${words.missing}`]),
    ...(extra === 0 ? [] : [`${amount(extra, 'row')} ${words.extra}`]),
  ];
  const shown = samples.map(({ kind, row }) => `    ${kind === 'missing' ? '+' : '-'} ${oneLine(row)}`);
  const rest = missing + extra > samples.length && samples.length > 0 ? ['    …'] : [];
  const note = missing > 0 && extra > 0 ? (words.note ?? '') : '';
  return [`  ${oneLine(table)}: ${counts.join(', ')}${note}`, ...shown, ...rest];
}

function amount(count: number, noun: string): string {
  return `${exactText(count)} ${noun}${count === 1 ? '' : 's'}`;
}

function took(ms: number): string {
  return ms < 1000 ? `${ms} ms` : duration(ms);
}
