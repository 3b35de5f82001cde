import { join } from 'node:path';
import { environment, runPytest } from './tools.js';

/**
 * The own suite of psycopg 3, without its pool, with the implementation in Python. Left out: what is slow, what measures time, and what
 * checks types with mypy.
 */
export const psycopg = {
  url: 'https://github.com/psycopg/psycopg',
  database: 'psycopg_test',
  prepare: (checkout) => (port) => {
    const dsn = `host=127.0.0.1 port=${port} user=postgres password=secret dbname=psycopg_test`;
    const env = {
      ...environment(port),
      PYTHONPATH: join(checkout, 'psycopg'),
      PSYCOPG_IMPL: 'python',
    };
    for (const name of ['PGHOST', 'PGPORT', 'PGUSER', 'PGPASSWORD']) delete env[name];
    const words = [
      '-m',
      'not slow and not timing and not dns',
      '--ignore',
      'tests/pool',
      '--ignore',
      'tests/test_typing.py',
    ];
    // Newer versions of the modules than those it was written for give warnings, which it takes for errors.
    words.push('-W', 'default', '--test-dsn', dsn, 'tests');
    return runPytest(words, { cwd: checkout, env });
  },
};
