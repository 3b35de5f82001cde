/** A long run at modest load, with what it uses written down. The node is not killed: its growth would be hidden. */

import { writeFile } from 'node:fs/promises';
import { faultKinds, faultNames } from './faults/fault.ts';
import { plotSamples } from './plot.ts';
import { takeSamples } from './samples.ts';
import type { Sample } from './samples.ts';
import { torture } from './torture.ts';
import type { TortureOptions, TortureReport } from './torture.ts';

const thinkMs = 30;

export interface SoakReport extends TortureReport {
  readonly samples: readonly Sample[];
}

/** Leaves the samples as a picture in `plot`. */
export async function soak(options: TortureOptions, plot: string): Promise<SoakReport> {
  let samples: readonly Sample[] = [];
  const report = await torture({
    ...options,
    thinkMs,
    faults:
      options.faults ?? faultNames.filter((name) => name !== 'disk' && faultKinds[name].target !== 'node'),
    watch: (stage) => {
      const end = takeSamples(stage);
      return () => (samples = end());
    },
  });
  const minutes = (samples.at(-1)?.minute ?? 0).toFixed(1);
  await writeFile(
    plot,
    plotSamples(
      samples,
      `${minutes} minutes, ${report.acknowledged} operations acknowledged, seed ${report.seed}`,
    ),
  );
  return { ...report, samples };
}
