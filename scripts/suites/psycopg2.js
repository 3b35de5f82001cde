import { join } from 'node:path';
import { environment, run, runPytest } from './tools.js';

/** The own suite of psycopg2. Needs a compiler and the headers of Python and libpq. */
export const psycopg2 = {
  url: 'https://github.com/psycopg/psycopg2',
  database: 'psycopg2_test',
  prepare: async (checkout) => {
    const program = process.env.PYTHON ?? 'python3';
    await run(program, ['setup.py', 'build', '--build-lib', 'built'], { cwd: checkout, maxBuffer: 1 << 26 });
    return (port) =>
      runPytest(['-W', 'default', 'tests'], {
        cwd: checkout,
        env: {
          ...environment(port),
          PYTHONPATH: join(checkout, 'built'),
          PSYCOPG2_TESTDB: 'psycopg2_test',
          PSYCOPG2_TESTDB_HOST: '127.0.0.1',
          PSYCOPG2_TESTDB_PORT: String(port),
          PSYCOPG2_TESTDB_USER: 'postgres',
          PSYCOPG2_TESTDB_PASSWORD: 'secret',
          PSYCOPG2_TEST_FAST: '1',
        },
      });
  },
};
