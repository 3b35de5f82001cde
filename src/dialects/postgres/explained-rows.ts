/** EXPLAIN ANALYZE lists the triggers that ran. Lockstep's own are not the client's, and are taken out, in each of the formats. */

import { backend, Backend, readDataRow } from '../../wire/postgres/index.ts';

/** A line of its own in the format TEXT. */
const line = /^ *Trigger (?:for constraint \S+ )?!lockstep_/;

/** An object in a list of them; what stands between two goes with it. */
const objects: readonly RegExp[] = [
  // JSON
  /,?\n +\{\n +"Trigger Name": "!lockstep_[^{}]*\}/g,
  // YAML
  /\n( +)- Trigger Name: "!lockstep_[^\n]*(?:\n\1 {2}[^\n]*)*/g,
  // XML
  /\n +<Trigger>\n +<Trigger-Name>!lockstep_[^]*?<\/Trigger>/g,
];

/** DataRow messages of one text each, whole ones; those and other messages that are left. */
export function withoutOwnTriggers(frames: Buffer): Buffer {
  if (!frames.includes('!lockstep_')) return frames;
  const kept: Buffer[] = [];
  for (let at = 0; at < frames.length; ) {
    const end = at + 1 + frames.readUInt32BE(at + 1);
    const frame = frames.subarray(at, end);
    at = end;
    const [plan] = frame[0] === Backend.DataRow ? readDataRow(frame) : [];
    const text = plan?.toString('latin1') ?? '';
    if (line.test(text)) continue;
    const rest = objects.reduce((left, object) => left.replace(object, ''), text);
    // The first of several was ours.
    const mended = rest.replace('"Triggers": [,', '"Triggers": [');
    kept.push(mended === text ? frame : backend.dataRow([Buffer.from(mended, 'latin1')]));
  }
  return Buffer.concat(kept);
}
