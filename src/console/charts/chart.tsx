/** Lines over the last minutes. What the lines say at the pointer, or now, stands above them in words. */
import type { JSX } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { TrafficSample } from '../contract.ts';
import { theme } from '../state/theme.ts';
import { timeOfDay } from '../text/format.ts';

export interface Series {
  readonly label: string;
  /** Which of the theme's chart colours. */
  readonly color: 1 | 2 | 3 | 4;
  readonly shape?: 'line' | 'area' | 'bars';
  /** Lines are told apart without their colours, too. */
  readonly dash?: readonly number[];
  readonly value: (sample: TrafficSample) => number | null;
}

interface ChartProps {
  readonly title: string;
  readonly series: readonly Series[];
  readonly samples: readonly TrafficSample[];
  readonly windowS: number;
  readonly format: (value: number | null) => string;
  /** The scale reaches at least so far, so that nothing much does not look like a lot. */
  readonly topMin: number;
}

const HEIGHT = 132;
/** A longer time without samples is left open. */
const GAP_S = 4;

export function Chart({ title, series, samples, windowS, format, topMin }: ChartProps): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(samples);
  latest.current = samples;
  const [pointed, setPointed] = useState<number | null>(null);
  const heading = useId();
  const look = theme.value;

  useEffect(() => {
    const target = box.current;
    if (target === null) return undefined;
    const made = new uPlot(
      chartOptions(target, { series, windowS, format, topMin, onPoint: setPointed }),
      chartData(latest.current, series),
      target,
    );
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: target.clientWidth, height: HEIGHT }));
    watch.observe(target);
    return () => {
      watch.disconnect();
      made.destroy();
    };
  }, [look, windowS]);

  useEffect(() => plot.current?.setData(chartData(samples, series)), [samples]);

  const at = pointed === null ? samples.at(-1) : sampleAt(samples, pointed);
  return (
    <figure class="chart" aria-labelledby={heading}>
      <figcaption>
        <span id={heading} class="chart-title">
          {title}
        </span>
        <span class="chart-values">
          {pointed !== null && at !== undefined && <span class="chart-at">{timeOfDay(at.at)}</span>}
          {series.map(({ label, color, dash, value }) => (
            <span key={label} class="chart-value">
              <span class={`swatch c${color}${dash === undefined ? '' : ' dashed'}`} aria-hidden="true" />
              {label} <b>{format(at === undefined ? null : value(at))}</b>
            </span>
          ))}
        </span>
      </figcaption>
      <div ref={box} class="chart-box" style={{ height: `${HEIGHT}px` }} aria-hidden="true" />
    </figure>
  );
}

function secondsOf(sample: TrafficSample): number {
  return Date.parse(sample.at) / 1000;
}

function sampleAt(samples: readonly TrafficSample[], seconds: number): TrafficSample | undefined {
  return samples.findLast((sample) => secondsOf(sample) <= seconds + 0.001);
}

function chartData(samples: readonly TrafficSample[], series: readonly Series[]): uPlot.AlignedData {
  const times: number[] = [];
  const lines: (number | null)[][] = series.map(() => []);
  for (const sample of samples) {
    const time = secondsOf(sample);
    const before = times.at(-1);
    if (before !== undefined && time <= before) continue;
    if (before !== undefined && time - before > GAP_S) {
      times.push(before + 1);
      for (const line of lines) line.push(null);
    }
    times.push(time);
    for (const [place, { value }] of series.entries()) lines[place]?.push(value(sample));
  }
  return [times, ...lines];
}

interface Wishes extends Pick<ChartProps, 'series' | 'windowS' | 'format' | 'topMin'> {
  readonly onPoint: (seconds: number | null) => void;
}

function chartOptions(target: HTMLElement, wishes: Wishes): uPlot.Options {
  const { series, windowS, format, topMin, onPoint } = wishes;
  const ink = (name: string) => resolved(target, name);
  const axis = {
    stroke: ink('--text-2'),
    font: '11px system-ui, sans-serif',
    grid: { stroke: ink('--line'), width: 1 },
    ticks: { show: false },
  };
  return {
    width: target.clientWidth,
    height: HEIGHT,
    // To the right there is room for half of the last time.
    padding: [8, 18, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, sync: { key: 'traffic' }, points: { size: 6 } },
    scales: {
      x: { time: true, range: (_plot, _min, max) => [max - windowS, max] },
      y: { range: (_plot, _min, max) => [0, Math.max(topMin, max * 1.1)] },
    },
    axes: [
      { ...axis, size: 22, space: 70, ...timeAxis(windowS) },
      { ...axis, size: 52, space: 32, values: (_plot, values) => values.map((value) => format(value)) },
    ],
    series: [
      {},
      ...series.map(({ label, color, shape = 'line', dash }) => {
        const stroke = ink(`--chart-${color}`);
        return {
          label,
          stroke,
          width: 1.5,
          points: { show: false },
          ...(dash !== undefined && { dash: [...dash] }),
          ...(shape === 'area' && { fill: ink(`--chart-${color}-fill`) }),
          ...(shape === 'bars' && { fill: stroke, ...bars() }),
        };
      }),
    ],
    hooks: {
      setCursor: [
        (made) => {
          const place = made.cursor.idx;
          const left = made.cursor.left ?? -1;
          onPoint(place === null || place === undefined || left < 0 ? null : (made.data[0][place] ?? null));
        },
      ],
    },
  };
}

/** Hours and minutes; of one minute the seconds, too. */
function timeAxis(windowS: number): uPlot.Axis {
  const short = windowS <= 60;
  const text = (seconds: number) => timeOfDay(new Date(seconds * 1000).toISOString());
  return {
    incrs: short ? [10, 20, 30] : [60, 120, 300],
    values: (_plot, at) => at.map((seconds) => (short ? text(seconds) : text(seconds).slice(0, 5))),
  };
}

function bars(): { paths?: uPlot.Series.PathBuilder } {
  const paths = uPlot.paths.bars?.({ size: [0.9, 6] });
  return paths === undefined ? {} : { paths };
}

/** A colour of the theme as the canvas needs it. */
function resolved(target: HTMLElement, name: string): string {
  return getComputedStyle(target).getPropertyValue(name).trim();
}
