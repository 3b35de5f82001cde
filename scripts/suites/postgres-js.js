import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { environment, run } from './tools.js';

const here = dirname(fileURLToPath(import.meta.url));

/** The repository with another runner: its own passes over everything behind the first failure. */
export const postgresJs = {
  url: 'https://github.com/porsager/postgres',
  database: 'postgres_js_test',
  users: {
    postgres_js_test: 'secret',
    postgres_js_test_md5: 'postgres_js_test_md5',
    postgres_js_test_scram: 'postgres_js_test_scram',
  },
  owner: 'postgres_js_test',
  prepare: (checkout) => {
    for (const file of ['test.js', 'bootstrap.js'])
      cpSync(join(here, 'postgres-js', file), join(checkout, 'tests', file));
    const path = join(checkout, 'tests/index.js');
    const tests = readFileSync(path, 'utf8');
    return async (port) => {
      writeFileSync(path, tests.replaceAll('5432', String(port)));
      const { stdout } = await run(process.execPath, ['index.js'], {
        cwd: join(checkout, 'tests'),
        env: environment(port),
        maxBuffer: 1 << 26,
      });
      const lines = stdout
        .split('\n')
        .flatMap((line) => (line.startsWith('{"test":') ? [JSON.parse(line)] : []));
      return new Map(lines.map(({ test, failure }) => [test, failure]));
    };
  },
};
