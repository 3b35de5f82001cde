/** What can be wrong with a stream of messages, whoever sends it. */

import * as fc from 'fast-check';

/** One thing that is wrong. Places are counted from the beginning and wrap around. */
export type Mutation =
  | { readonly kind: 'drop' | 'repeat' | 'swap' | 'truncate'; readonly at: number }
  | { readonly kind: 'insert' | 'replace'; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: 'corrupt'; readonly at: number; readonly offset: number; readonly byte: number }
  | { readonly kind: 'length'; readonly at: number; readonly length: number };

/** Lengths that somebody might believe. */
const lengths = [
  -1, 0, 1, 3, 4, 5, 8, 9, 10_001, 0xffff, 0x10000, 0x3fff_fffe, 0x4000_0000, 0x7fff_fffb, 0x7fff_ffff,
  -0x8000_0000,
];

const places = fc.nat({ max: 60 });

/** A message of any type with any body. */
export const noise: fc.Arbitrary<Buffer> = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  fc
    .tuple(fc.integer({ min: 0x20, max: 0x7e }), fc.uint8Array({ maxLength: 30 }))
    .map(([type, body]) => frame(type, Buffer.from(body))),
);

/** `extra`: messages that are right by themselves, and not where they come. */
export function mutations(extra: readonly Buffer[]): fc.Arbitrary<Mutation[]> {
  const message = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...extra) }, noise);
  const one: fc.Arbitrary<Mutation> = fc.oneof(
    fc.record({ kind: fc.constantFrom('drop', 'repeat', 'swap', 'truncate'), at: places }),
    fc.record({ kind: fc.constantFrom('insert', 'replace'), at: places, bytes: message }),
    fc.record({
      kind: fc.constant('corrupt'),
      at: places,
      offset: fc.nat({ max: 400 }),
      byte: fc.nat({ max: 255 }),
    }),
    fc.record({
      kind: fc.constant('length'),
      at: places,
      length: fc.oneof(fc.constantFrom(...lengths), fc.integer({ min: -2, max: 400 })),
    }),
  );
  return fc.array(one, { minLength: 1, maxLength: 4 });
}

/** The messages with all that is to be wrong with them. */
export function mutate(frames: readonly Buffer[], wrong: readonly Mutation[]): Buffer[] {
  let out = [...frames];
  for (const mutation of wrong) {
    if (out.length === 0) break;
    const at = mutation.at % out.length;
    const here = out[at] as Buffer;
    switch (mutation.kind) {
      case 'drop':
        out.splice(at, 1);
        break;
      case 'repeat':
        out.splice(at, 0, here);
        break;
      case 'swap':
        out.splice(at, 1);
        out.splice(at + 1, 0, here);
        break;
      case 'truncate':
        out = [...out.slice(0, at), here.subarray(0, here.length >> 1)];
        break;
      case 'insert':
        out.splice(at, 0, mutation.bytes);
        break;
      case 'replace':
        out[at] = mutation.bytes;
        break;
      case 'corrupt': {
        const copy = Buffer.from(here);
        if (copy.length > 0) copy[mutation.offset % copy.length] = mutation.byte;
        out[at] = copy;
        break;
      }
      case 'length': {
        const copy = Buffer.from(here);
        if (copy.length >= 5) copy.writeInt32BE(mutation.length, 1);
        out[at] = copy;
        break;
      }
      default:
        mutation satisfies never;
    }
  }
  return out;
}

export function frame(type: number, body: Buffer): Buffer {
  const bytes = Buffer.alloc(5 + body.length);
  bytes[0] = type;
  bytes.writeInt32BE(4 + body.length, 1);
  body.copy(bytes, 5);
  return bytes;
}

/** In pieces as a network might cut it: sizes in turn, again and again. */
export const cuts: fc.Arbitrary<readonly number[]> = fc.oneof(
  fc.constant<readonly number[]>([1 << 20]),
  fc.array(fc.integer({ min: 1, max: 64 }), { minLength: 1, maxLength: 8 }),
  fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 4 }),
);

export function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = Math.max(sizes[turn % sizes.length] ?? bytes.length, bytes.length >> 8);
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}
