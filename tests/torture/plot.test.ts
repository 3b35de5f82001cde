import { expect, test } from 'vitest';
import { plotSamples } from '../../src/testing/torture/index.ts';

test('soak: the plot shows each figure from zero to its highest', () => {
  const sample = { residentMiB: 50, descriptors: 30, connections: 12, logMiB: 4 };
  const picture = plotSamples(
    [
      { minute: 0, ...sample },
      { minute: 1, ...sample, residentMiB: 100 },
    ],
    'a minute',
  );
  expect(picture.match(/<polyline/g)).toHaveLength(4);
  // From half of the scale at its left end to the top at its right end.
  expect(picture).toContain('points="60.0,70.0 700.0,28.0"');
});
