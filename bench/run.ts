/** One whole run: the stage is set, every part is played, and what was found is kept. */

import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { checkEquality } from './equality.ts';
import { measureMemory } from './memory.ts';
import type { BenchOptions, Part } from './options.ts';
import { page } from './page.ts';
import { measurePauses } from './pauses.ts';
import { toolVersion } from './pgbench.ts';
import { profileNode, profileSettings } from './profile.ts';
import type { Results } from './results.ts';
import { settings, Stage } from './stage.ts';
import { measureSync } from './sync.ts';
import { systemPlans, whatIsMissing } from './systems/index.ts';
import type { System, SystemName } from './systems/index.ts';
import { cellLine } from './tables.ts';
import type { CellResult } from './throughput.ts';
import { measureCell } from './throughput.ts';
import { measureWaits } from './waits.ts';
import { workloads } from './workloads.ts';

const root = resolve(import.meta.dirname, '../..');

export async function run(options: BenchOptions): Promise<void> {
  if (options.fromResults !== undefined) {
    writePage(JSON.parse(readFileSync(options.fromResults, 'utf8')) as Results);
    return;
  }
  const dir =
    options.dir === undefined ? mkdtempSync(join(tmpdir(), 'lockstep-bench-')) : resolve(options.dir);
  mkdirSync(dir, { recursive: true });
  // Servers and proxies may run under other accounts than this process.
  chmodSync(dir, 0o755);
  const results = await measureAll(dir, options);
  keep(results);
  if (options.writePage) writePage(results);
  else console.log(`\n${page(results, notes())}`);
}

async function measureAll(dir: string, options: BenchOptions): Promise<Results> {
  const started = new Date();
  const names = options.systems.filter((name) => {
    const missing = whatIsMissing(systemPlans[name]);
    if (missing !== undefined) console.log(`left out: ${name}: ${missing}`);
    return missing === undefined;
  });
  const { parts } = options;
  const failures: string[] = [];
  /** One part that fails does not cost the others their results. */
  const part = async <T>(name: Part, otherwise: T, play: () => Promise<T>): Promise<T> => {
    if (!parts.has(name)) return otherwise;
    try {
      return await play();
    } catch (error) {
      failures.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
      console.error(failures.at(-1));
      return otherwise;
    }
  };
  const figures = await onStage({ dir, options }, {}, async (stage) => ({
    PostgreSQL: stage.version,
    ...(await part('throughput', nothing, () => playRounds(stage, names, options))),
    memory: await part('memory', [], () => measureMemory(stage, names, options)),
    pauses: await part('pauses', [], () => measurePauses(stage, names, options)),
    sync: await part('sync', [], () => measureSync(stage, options)),
    waits: await part('sync', { waits: [], catchUps: [] }, () => measureWaits(stage, options)),
  }));
  // Apart from the rest: to look at the servers costs them something.
  const profiles = await part('profile', [], () =>
    onStage({ dir, options }, profileSettings, (stage) => profileNode(stage, names, options)),
  );
  const { PostgreSQL, versions, ...found } = figures;
  return {
    at: started.toISOString(),
    minutes: (Date.now() - started.getTime()) / 60_000,
    machine: {
      processors: cpus().length,
      model: cpus()[0]?.model ?? 'unknown',
      memoryBytes: totalmem(),
      system: `${process.platform} ${process.arch}`,
    },
    versions: {
      PostgreSQL,
      pgbench: await toolVersion('pgbench'),
      Node: process.versions.node,
      ...versions,
    },
    settings,
    rounds: options.rounds,
    seconds: options.seconds,
    scale: options.scale,
    ...found,
    profiles,
    failures,
  };
}

const nothing: Pick<Results, 'cells' | 'equality' | 'versions'> = { cells: [], equality: [], versions: {} };

async function onStage<T>(
  { dir, options }: { readonly dir: string; readonly options: BenchOptions },
  further: Readonly<Record<string, string>>,
  play: (stage: Stage) => Promise<T>,
): Promise<T> {
  const stage = await Stage.open(dir, further);
  // Only from here on: what ends the servers at exit has been registered, so that they are gone before their files.
  if (options.dir === undefined) process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
  try {
    return await play(stage);
  } finally {
    await stage.close();
  }
}

async function playRounds(
  stage: Stage,
  names: readonly SystemName[],
  options: BenchOptions,
): Promise<Pick<Results, 'cells' | 'equality' | 'versions'>> {
  console.log(`about ${estimateMinutes(names.length, options)} minutes of rounds`);
  const systems = await startSystems(stage, names, options);
  try {
    const cells: CellResult[] = [];
    for (const name of options.workloads) {
      for (const clients of options.clients) {
        const cell = await measureCell(stage, systems, { ...options, workload: workloads[name], clients });
        cells.push(cell);
        console.log(cellLine(cell));
      }
    }
    const equality = await checkEquality(stage, systems);
    const versions = Object.fromEntries(
      systems.flatMap(({ name, version }) =>
        name.startsWith('pg') ? [[name.replace(/[-\d].*/, ''), version]] : [],
      ),
    );
    return { cells, equality, versions };
  } finally {
    for (const system of systems) await system.stop();
    await stage.dropDatabases([...new Set(names.map((name) => systemPlans[name].database))]);
  }
}

async function startSystems(
  stage: Stage,
  names: readonly SystemName[],
  { scale, program, before, clients }: BenchOptions,
): Promise<readonly System[]> {
  const made = new Map<string, number>();
  for (const name of names) {
    const { database, members } = systemPlans[name];
    made.set(database, Math.max(made.get(database) ?? 0, members));
  }
  for (const [database, members] of made) await stage.makeDatabases(members, database, scale);
  const systems: System[] = [];
  for (const name of names) {
    const { database, members, start } = systemPlans[name];
    const dir = stage.emptyDirectory(name);
    const databases = stage.servers.slice(0, members).map(({ port }) => ({ port, database }));
    systems.push(await start(databases, { dir, program, before, clientsMax: Math.max(...clients) }));
  }
  return systems;
}

function estimateMinutes(systems: number, options: BenchOptions): number {
  const perCell = systems * (options.warmUpSeconds + options.rounds * (options.seconds + 0.3));
  return Math.ceil((options.workloads.length * options.clients.length * perCell) / 60);
}

function keep(results: Results): void {
  const folder = join(root, 'bench', 'results');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${results.at.replaceAll(':', '-').slice(0, 19)}.json`);
  writeFileSync(file, `${JSON.stringify(results, undefined, 1)}\n`);
  console.log(`\nresults: ${file}`);
}

function writePage(results: Results): void {
  const file = join(root, 'docs', 'reference', 'benchmarks.md');
  writeFileSync(file, page(results, notes()));
  console.log(`written: ${file}`);
}

/** What people have to say about the figures; it goes into the page as it is. */
function notes(): string {
  return readFileSync(join(root, 'bench', 'notes.md'), 'utf8');
}
