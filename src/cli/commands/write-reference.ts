import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { CliIo } from '../cli-io.ts';
import type { ExitCode } from '../exit-codes.ts';
import { renderCommandReference } from '../reference.ts';

/** Writes the pages of docs/reference that are made from the code. */
export async function writeReferencePages(
  io: CliIo,
  commands: Command,
  options: { readonly out: string },
): Promise<ExitCode> {
  const { renderConfigReference } = await import('../../config/index.ts');
  const { openApiDocument } = await import('../../admin/index.ts');
  const { renderEventReference, renderMetricsReference } = await import('../../telemetry/index.ts');
  await mkdir(options.out, { recursive: true });
  const pages = {
    'configuration.md': renderConfigReference(),
    'events.md': renderEventReference(),
    'openapi.json': `${JSON.stringify(openApiDocument(), null, 2)}\n`,
    'metrics.md': renderMetricsReference(),
    'commands.md': renderCommandReference(commands),
  };
  for (const [name, text] of Object.entries(pages)) {
    await writeFile(join(options.out, name), text);
    io.stdout.write(`${join(options.out, name)}\n`);
  }
  return 'ok';
}
