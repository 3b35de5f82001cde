import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { checkConfigText, renderConfigReference } from '../../src/config/index.ts';
import { walkSchema } from '../../src/config/schema-tree.ts';

const PAGE = new URL('../../docs/reference/configuration.md', import.meta.url);

test('config: the reference page says what the program does (run: node dist/cli/main.js reference)', async () => {
  expect(await readFile(PAGE, 'utf8')).toBe(renderConfigReference());
});

test('config: every option and every section is described', () => {
  for (const { path, node } of walkSchema()) {
    expect(node.option ?? node.section, path.join('.')).toBeDefined();
  }
});

test('config: every option stands on the reference page', () => {
  const page = renderConfigReference();
  for (const { path } of walkSchema()) expect(page).toContain(`| \`${path.at(-1)}\` |`);
});

test('config: the example on the reference page is a good file', async () => {
  const example = /```yaml\n([^]*?)```/.exec(renderConfigReference())?.[1] ?? '';
  const { problems, config } = await checkConfigText(example, 'lockstep.yaml', {
    env: { ORDERS_PASSWORD: 'x' },
    readFile: () => Promise.reject(new Error('no file is needed')),
  });
  expect(problems).toEqual([]);
  expect(config?.cluster).toBe('orders');
});
