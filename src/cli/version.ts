import { readFileSync } from 'node:fs';

/** From the package, which is two levels up both from the source and from the build. */
export const VERSION: string = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    readonly version: string;
  }
).version;
