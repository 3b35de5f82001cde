/** Samples as a picture: one panel for each figure, its scale from zero to its highest. */

import type { Sample } from './samples.ts';

const panels = [
  { of: 'residentMiB', title: 'memory of the node, MiB' },
  { of: 'descriptors', title: 'open descriptors of the node' },
  { of: 'connections', title: 'connections on all members' },
  { of: 'logMiB', title: 'largest commit log, MiB' },
] as const;

const size = { width: 720, height: 130, left: 60, right: 20, top: 28, bottom: 18 };

export function plotSamples(samples: readonly Sample[], caption: string): string {
  const height = panels.length * size.height + 30;
  const lastMinute = Math.max(1e-9, ...samples.map(({ minute }) => minute));
  const drawn = panels.map(({ of, title }, at) => {
    const values = samples.map((sample) => sample[of]);
    const highest = Math.max(1, ...values);
    const x = (minute: number): number =>
      size.left + (minute / lastMinute) * (size.width - size.left - size.right);
    const y = (value: number): number =>
      size.height - size.bottom - (value / highest) * (size.height - size.top - size.bottom);
    const points = samples.map((sample) => `${x(sample.minute).toFixed(1)},${y(sample[of]).toFixed(1)}`);
    return `<g transform="translate(0 ${at * size.height})">
<text x="${size.left}" y="${size.top - 10}">${title}</text>
<text x="${size.left - 6}" y="${y(highest) + 4}" text-anchor="end">${Math.round(highest)}</text>
<text x="${size.left - 6}" y="${y(0) + 4}" text-anchor="end">0</text>
<path d="M${size.left} ${y(0)}H${size.width - size.right}M${size.left} ${y(highest)}H${size.width - size.right}" stroke="#ccc"/>
<polyline points="${points.join(' ')}" fill="none" stroke="#1a66b3" stroke-width="1.5"/>
</g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${height}" font-family="sans-serif" font-size="12" fill="#333">
<rect width="${size.width}" height="${height}" fill="#fff"/>
${drawn.join('\n')}
<text x="${size.left}" y="${height - 10}">${caption}</text>
</svg>
`;
}
