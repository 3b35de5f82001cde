/** Writes, reads, latencies and pauses of the last minutes, side by side, under one pointer. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { traffic } from '../state/live.ts';
import { milliseconds, rate, UNKNOWN } from '../text/format.ts';
import { Chart } from './chart.tsx';
import type { Series } from './chart.tsx';

const WINDOWS = [
  [60, '1 min'],
  [300, '5 min'],
  [900, '15 min'],
] as const;

const writes: readonly Series[] = [
  { label: 'Commits', color: 1, shape: 'area', value: (sample) => sample.writesPerSecond },
];
const reads: readonly Series[] = [
  { label: 'Reads', color: 2, shape: 'area', value: (sample) => sample.readsPerSecond },
];
const commitLatency: readonly Series[] = [
  { label: 'median', color: 1, value: (sample) => sample.commitMs.p50 },
  { label: '95 %', color: 2, dash: [6, 3], value: (sample) => sample.commitMs.p95 },
  { label: '99 %', color: 4, dash: [2, 3], value: (sample) => sample.commitMs.p99 },
];
const readLatency: readonly Series[] = [
  { label: 'median', color: 1, value: (sample) => sample.readMs.p50 },
  { label: '95 %', color: 2, dash: [6, 3], value: (sample) => sample.readMs.p95 },
  { label: '99 %', color: 4, dash: [2, 3], value: (sample) => sample.readMs.p99 },
];
const pauses: readonly Series[] = [
  { label: 'Longest', color: 3, shape: 'bars', value: (sample) => sample.longestPauseMs },
];

const perSecond = (value: number | null) => (value === null ? UNKNOWN : `${rate(value)}/s`);

export function TrafficCharts(): JSX.Element {
  const [windowS, setWindow] = useState(300);
  const samples = traffic.value;
  const common = { samples, windowS };
  return (
    <section aria-labelledby="traffic-title">
      <header class="section-head">
        <h2 id="traffic-title">Traffic</h2>
        <div class="segments" role="group" aria-label="Shown time">
          {WINDOWS.map(([seconds, label]) => (
            <button
              key={seconds}
              type="button"
              aria-pressed={seconds === windowS}
              onClick={() => setWindow(seconds)}
            >
              {label}
            </button>
          ))}
        </div>
      </header>
      <div class="charts">
        <Chart {...common} title="Writes" series={writes} format={perSecond} topMin={10} />
        <Chart {...common} title="Reads" series={reads} format={perSecond} topMin={10} />
        <Chart {...common} title="Commit latency" series={commitLatency} format={milliseconds} topMin={5} />
        <Chart {...common} title="Read latency" series={readLatency} format={milliseconds} topMin={5} />
        <Chart
          {...common}
          title="Pauses: longest time that Lockstep had somebody wait"
          series={pauses}
          format={milliseconds}
          topMin={50}
        />
      </div>
    </section>
  );
}
