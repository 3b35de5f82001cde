import type { KeptRows } from '../../cluster/index.ts';

/** Rows that were removed, for nobody to read. */
export class SimKeptRows implements KeptRows {
  file: string | undefined;

  keep(): Promise<void> {
    this.file = 'kept';
    return Promise.resolve();
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
