/** What a definer function finds names in: a client's temporary objects come last, and so are never taken for something else. */
export const definerPath = 'pg_catalog, pg_temp';

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
  search_path: definerPath,
} as const;

/** The same, as clauses of CREATE FUNCTION. */
export const pinnedClauses = Object.entries(pinnedSettings)
  .map(([name, value]) =>
    name === 'search_path' ? `SET search_path = ${value}` : `SET ${name} = '${value}'`,
  )
  .join(' ');
