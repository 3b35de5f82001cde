import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative, sep } from 'node:path';
import { describe, expect, test } from 'vitest';
import { forbiddenInTheEngine, rooms } from './rooms.ts';
import type { Room } from './rooms.ts';

const src = join(import.meta.dirname, '../../src');

interface Import {
  readonly file: string;
  readonly target: string;
  /** Nothing of it is left when the program runs. */
  readonly types: boolean;
}

function sourceFiles(): string[] {
  return readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => /\.tsx?$/.test(file));
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(src, file), 'utf8');
  return [...text.matchAll(/(?:from|import\()\s*'([^']+)'/g)].map((match) => ({
    file,
    target: match[1] as string,
    types: /^(?:import|export) type (?:(?!^(?:import|export) )[^;])*$/m.test(
      text
        .slice(0, match.index)
        .split(/^(?=(?:import|export) )/m)
        .at(-1) ?? '',
    ),
  }));
}

function roomOf(path: string): string {
  return path.split(sep)[0] as string;
}

/** Sentences about what breaks the table; none: it is kept. */
function complaints(file: string, table: readonly Room[]): string[] {
  const room = table.find((candidate) => candidate.name === roomOf(file));
  if (room === undefined) return [`${file}: there is no room ${roomOf(file)} in the table`];
  return importsOf(file).flatMap(({ target, types }) => {
    if (!target.startsWith('.')) {
      const allowed = room.nodeModules;
      if (!target.startsWith('node:') || allowed === undefined || allowed.includes(target)) return [];
      return [`${file} imports ${target}: ${room.name} does without, because ${room.because}`];
    }
    const path = relative(src, normalize(join(src, dirname(file), target)));
    const other = roomOf(path);
    if (other === room.name) return [];
    if (!room.mayImport.includes(other))
      return [`${file} imports ${path}: ${room.name} may not import ${other}, because ${room.because}`];
    if (room.typesOnly === true && !types)
      return [`${file} imports ${path}: ${room.name} takes types only, because ${room.because}`];
    const door = path.split(sep).slice(1).join('/');
    const doors = table.find((candidate) => candidate.name === other)?.doors ?? [];
    return doors.includes(door)
      ? []
      : [`${file} imports ${path}: ${other} is entered by ${doors.join(' or ')}`];
  });
}

describe('house: rooms', () => {
  test('every import points down and enters by a door', () => {
    expect(sourceFiles().flatMap((file) => complaints(file, rooms))).toEqual([]);
  });

  test('the table itself has no circle', () => {
    const place = new Map(rooms.map((room, index) => [room.name, index]));
    const upwards = rooms.flatMap((room) =>
      room.mayImport.filter((other) => (place.get(other) ?? -1) >= (place.get(room.name) ?? 0)),
    );
    expect(upwards).toEqual([]);
  });

  test('the check finds an import that points up and one that misses the door', () => {
    const without = rooms.map((room) => (room.name === 'cluster' ? { ...room, mayImport: ['base'] } : room));
    expect(complaints(join('cluster', 'world.ts'), without).join('\n')).toContain(
      'cluster may not import coordination',
    );
    const doorless = rooms.map((room) => (room.name === 'base' ? { ...room, doors: ['other.ts'] } : room));
    expect(complaints(join('cluster', 'cluster.ts'), doorless).join('\n')).toContain(
      'base is entered by other.ts',
    );
  });

  test('the check finds code where only types may be taken', () => {
    const strict = rooms.map((room) =>
      room.name === 'cluster' ? { ...room, typesOnly: true as const } : room,
    );
    const found = complaints(join('cluster', 'world.ts'), strict);
    expect(complaints(join('cluster', 'cluster.ts'), strict).join('\n')).toContain(
      'cluster takes types only',
    );
    expect(found).toEqual([]);
  });

  test('the engine reaches for neither clock nor chance nor process', () => {
    const found = sourceFiles()
      .filter((file) => roomOf(file) === 'cluster')
      .flatMap((file) => {
        const text = readFileSync(join(src, file), 'utf8');
        return forbiddenInTheEngine
          .filter(({ pattern }) => pattern.test(text))
          .map(({ pattern, instead }) => `${file}: ${pattern} (use ${instead})`);
      });
    expect(found).toEqual([]);
  });
});
