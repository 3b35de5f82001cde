import { environment, runGo } from './tools.js';

/** The own suite of lib/pq, without TLS. Needs Go. */
export const pq = {
  url: 'https://github.com/lib/pq',
  database: 'pqgotest',
  prepare: (checkout) => (port) =>
    runGo(['./...'], {
      cwd: checkout,
      env: { ...environment(port), PGDATABASE: pq.database, PGSSLMODE: 'disable' },
    }),
};
