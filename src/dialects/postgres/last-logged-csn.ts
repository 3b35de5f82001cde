import { logSegments } from './log-segments.ts';

/** The highest CSN in the commit log, as a subquery: found at the end of each segment's index, however long the log is. */
export const lastLoggedCsn = `SELECT max(ends.csn) FROM generate_series(0, ${logSegments - 1}) AS s(slot),
  LATERAL (SELECT l.csn FROM lockstep.log l WHERE l.slot = s.slot::int2 ORDER BY l.csn DESC LIMIT 1) AS ends`;
