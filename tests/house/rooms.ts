/** The table of rooms: what each may import, and through which doors. `docs/ARCHITECTURE.md` says why each room exists. */

export interface Room {
  readonly name: string;
  /** Rooms below it. */
  readonly mayImport: readonly string[];
  /** Files through which others come in. */
  readonly doors: readonly string[];
  /** Modules of Node that it may use, where that is restricted. */
  readonly nodeModules?: readonly string[];
  /** From other rooms it takes types only. */
  readonly typesOnly?: true;
  readonly because: string;
}

export const rooms: readonly Room[] = [
  {
    name: 'base',
    mayImport: [],
    doors: ['index.ts'],
    nodeModules: [],
    because: 'words that every room speaks; nothing is below them',
  },
  {
    name: 'telemetry',
    mayImport: ['base'],
    doors: ['index.ts'],
    because: 'events and logs are written by every room above',
  },
  {
    name: 'config',
    mayImport: ['base', 'telemetry'],
    doors: ['index.ts'],
    because: 'the only room that reads the file and the environment; it knows the names of events, for hooks',
  },
  {
    name: 'sql',
    mayImport: ['base'],
    doors: ['index.ts'],
    nodeModules: ['node:buffer'],
    because: 'what a statement is does not depend on who asks',
  },
  {
    name: 'wire',
    mayImport: ['base'],
    doors: ['postgres/index.ts'],
    nodeModules: ['node:buffer', 'node:crypto', 'node:util'],
    because: 'bytes and messages, no I/O',
  },
  {
    name: 'coordination',
    mayImport: ['base'],
    doors: ['index.ts'],
    because: 'state, lease and term know nothing of databases',
  },
  {
    name: 'dialects',
    mayImport: ['base', 'sql', 'wire'],
    doors: ['contract.ts', 'sync-contract.ts', 'spool.ts', 'logged-runs.ts', 'postgres/index.ts'],
    because: 'a database product, behind the contract that the engine knows',
  },
  {
    name: 'cluster',
    mayImport: ['base', 'coordination', 'dialects', 'telemetry'],
    doors: ['index.ts'],
    nodeModules: [],
    because: 'the engine meets members, clock, disk and network only through what it is handed',
  },
  {
    name: 'fronts',
    mayImport: ['base', 'sql', 'wire', 'dialects', 'telemetry', 'cluster'],
    doors: ['postgres/index.ts'],
    because: 'fronts translate what clients say; they do not decide',
  },
  {
    name: 'admin',
    mayImport: ['base'],
    doors: ['index.ts'],
    because: 'operator commands over an interface that a node fills',
  },
  {
    name: 'console',
    mayImport: ['admin'],
    doors: [],
    nodeModules: [],
    typesOnly: true,
    because: 'the page in a browser knows of the node what crosses the HTTP contract: shapes, no code',
  },
  {
    name: 'node',
    mayImport: [
      'base',
      'config',
      'sql',
      'dialects',
      'coordination',
      'telemetry',
      'cluster',
      'fronts',
      'admin',
    ],
    doors: ['index.ts'],
    because: 'one running node is where all parts are joined',
  },
  {
    name: 'testing',
    mayImport: ['base', 'coordination', 'dialects', 'telemetry', 'cluster', 'admin'],
    doors: ['index.ts', 'simulation/index.ts', 'torture/index.ts'],
    because:
      'the shipped kit: servers, faults, checkers and a simulated world; the checkers share no code with what they check',
  },
  {
    name: 'cli',
    mayImport: [
      'base',
      'config',
      'dialects',
      'coordination',
      'telemetry',
      'cluster',
      'admin',
      'node',
      'testing',
    ],
    doors: ['index.ts'],
    because: 'the program, on top of everything',
  },
];

/** The engine reaches for none of these; they are handed to it. */
export const forbiddenInTheEngine: readonly { readonly pattern: RegExp; readonly instead: string }[] = [
  { pattern: /\bDate\.now\b|\bnew Date\(\)/, instead: 'Clock.wallTime' },
  { pattern: /\bperformance\.now\b/, instead: 'Clock.monotonicMs' },
  { pattern: /\bset(Timeout|Interval|Immediate)\s*\(/, instead: 'Clock.after' },
  { pattern: /\bMath\.random\b|\brandomUUID\b/, instead: 'World.random' },
  { pattern: /\bprocess\./, instead: 'what it is handed' },
  { pattern: /===\s*'postgres'/, instead: 'a property of the dialect' },
];
