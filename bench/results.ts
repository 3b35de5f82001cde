/** Everything that one run found, as it is kept in bench/results/. */

import type { EqualityResult } from './equality.ts';
import type { MemoryResult } from './memory.ts';
import type { PauseResult } from './pauses.ts';
import type { ProfileResult } from './profile.ts';
import type { SyncResult } from './sync.ts';
import type { CellResult } from './throughput.ts';
import type { WaitsAndCatchUps } from './waits.ts';

export interface Results {
  readonly at: string;
  readonly minutes: number;
  readonly machine: {
    readonly processors: number;
    readonly model: string;
    readonly memoryBytes: number;
    readonly system: string;
  };
  readonly versions: Readonly<Record<string, string>>;
  /** Of the servers, where they are not PostgreSQL's defaults. */
  readonly settings: Readonly<Record<string, string | number>>;
  readonly rounds: number;
  readonly seconds: number;
  readonly scale: number;
  readonly cells: readonly CellResult[];
  readonly equality: readonly EqualityResult[];
  readonly memory: readonly MemoryResult[];
  readonly profiles: readonly ProfileResult[];
  readonly pauses: readonly PauseResult[];
  readonly sync: readonly SyncResult[];
  readonly waits: WaitsAndCatchUps;
  /** Parts that could not be finished, with the reason. */
  readonly failures: readonly string[];
}
