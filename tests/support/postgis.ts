import { existsSync } from 'node:fs';
import type { PostgresBinaries } from '../../src/testing/index.ts';
import { dumpableServers } from './dumpable.ts';

/** Servers that have PostGIS, as Debian installs it. Undefined: there are none. */
export function postgisServers(): PostgresBinaries | undefined {
  const binaries = dumpableServers();
  const control = `/usr/share/postgresql/${binaries?.major}/extension/postgis.control`;
  return existsSync(control) ? binaries : undefined;
}
