/**
 * Settings under which a row's text form means the same everywhere. The applying session uses the very same ones. Equal rows must
 * read the same whoever wrote them: changes are joined, and rows without a key are found, by this text.
 */
export const pinnedSettings = {
  DateStyle: 'ISO, MDY',
  TimeZone: 'UTC',
  IntervalStyle: 'postgres',
  extra_float_digits: '1',
  lc_monetary: 'C',
  bytea_output: 'hex',
  search_path: 'pg_catalog',
} as const;

/** The same, as clauses of CREATE FUNCTION. */
export const pinnedClauses = Object.entries(pinnedSettings)
  .map(([name, value]) =>
    name === 'search_path' ? `SET search_path = ${value}` : `SET ${name} = '${value}'`,
  )
  .join(' ');
