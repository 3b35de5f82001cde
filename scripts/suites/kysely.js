import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { environment, install, readMochaReport, run, runReported } from './tools.js';

const needed = [
  '@electric-sql/pglite',
  '@types/better-sqlite3',
  '@types/chai',
  '@types/chai-as-promised',
  '@types/mocha',
  '@types/node',
];
needed.push(
  '@types/pg',
  '@types/pg-cursor',
  '@types/sinon',
  'better-sqlite3',
  'chai',
  'chai-as-promised',
  'mocha',
  'mysql2',
  'pathe',
);
needed.push('pg', 'pg-cursor', 'semver', 'sinon', 'std-env', 'tarn', 'tedious', 'tsx', 'typescript');
needed.push(
  'prototype-pollution-vulnerable-lodash.merge-dont-upgrade',
  '@types/prototype-pollution-vulnerable-lodash.merge-dont-upgrade',
);

/** The own suite of Kysely, as far as it is about PostgreSQL. */
export const kysely = {
  url: 'https://github.com/kysely-org/kysely',
  database: 'kysely_test',
  users: { kysely: 'kysely' },
  owner: 'kysely',
  prepareServer: (server) => server.query('ALTER ROLE kysely SUPERUSER'),
  prepare: async (checkout) => {
    await install(checkout, needed);
    for (const project of ['.', 'test/node'])
      await run('npx', ['tsc', '-p', project], { cwd: checkout, maxBuffer: 1 << 26 });
    const source = join(checkout, 'test/node/dist/test-setup.js');
    const setup = readFileSync(source, 'utf8');
    return async (port) => {
      writeFileSync(
        source,
        setup.replace("host: 'localhost'", "host: '127.0.0.1'").replace('5434', String(port)),
      );
      const file = join(checkout, `report-${port}.json`);
      const words = [
        'mocha',
        '--timeout',
        '60000',
        '--exit',
        '--reporter',
        'json',
        '--reporter-option',
        `output=${file}`,
      ];
      words.push('test/node/dist/**/*.test.js');
      return runReported('npx', words, {
        cwd: checkout,
        env: { ...environment(port), DIALECTS: 'postgres' },
        file,
        read: readMochaReport,
      });
    };
  },
};
