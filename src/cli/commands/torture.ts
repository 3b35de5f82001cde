import { randomInt } from 'node:crypto';
import { cwd } from 'node:process';
import { LockstepError } from '../../base/index.ts';
import type { KillLoopReport, TortureReport } from '../../testing/torture/index.ts';
import type { CliIo, CommonOptions } from '../cli-io.ts';
import { print } from '../cli-io.ts';
import type { ExitCode } from '../exit-codes.ts';

export interface TortureCommandOptions extends Pick<CommonOptions, 'json'> {
  readonly seed?: string;
  readonly seconds: string;
  readonly clients: string;
  readonly faults?: string;
  readonly members?: string;
  readonly listFaults?: boolean;
  readonly kill?: string;
  readonly times: string;
  readonly soak?: string;
}

export async function runTorture(io: CliIo, options: TortureCommandOptions): Promise<ExitCode> {
  const { faultKinds, faultNames, killLockstep, killTargets, soak, torture } = await import(
    '../../testing/torture/index.ts'
  );
  if (options.listFaults === true) {
    print(io, options, faultKinds, () =>
      faultNames.map((name) => `${name.padEnd(12)}${faultKinds[name].what}`).join('\n'),
    );
    return 'ok';
  }
  const faults = options.faults?.split(',').map((word) => {
    const name = faultNames.find((one) => one === word);
    if (name === undefined) throw usage(`--faults ${word}: known are ${faultNames.join(', ')}`);
    return name;
  });
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  io.signals.on('SIGINT', onSignal);
  io.signals.on('SIGTERM', onSignal);
  try {
    const common = {
      seed: options.seed === undefined ? randomInt(1, 2 ** 31) : wholeNumber('--seed', options.seed),
      clients: wholeNumber('--clients', options.clients),
      show: (line: string) => io.stderr.write(`${line}\n`),
      signal: stop.signal,
    };
    if (options.kill !== undefined) {
      const target = killTargets.find((one) => one === options.kill);
      if (target === undefined) throw usage(`--kill ${options.kill}: known are ${killTargets.join(', ')}`);
      const report = await killLockstep(target, { ...common, times: wholeNumber('--times', options.times) });
      print(io, options, report, () => killText(report));
      return report.convictions.length === 0 ? 'ok' : 'failed';
    }
    const whole = {
      ...common,
      seconds: wholeNumber('--seconds', options.seconds),
      faults,
      members: options.members?.split(','),
      evidenceDir: cwd(),
    };
    const report = options.soak === undefined ? await torture(whole) : await soak(whole, options.soak);
    print(io, options, report, () => tortureText(report));
    return report.convictions.length === 0 ? 'ok' : 'failed';
  } finally {
    io.signals.off('SIGINT', onSignal);
    io.signals.off('SIGTERM', onSignal);
  }
}

function tortureText(report: TortureReport): string {
  const faults = Object.entries(report.faults).map(([name, times]) => `${name} ${times}`);
  const { operations, acknowledged, inDoubt, errors, seed, convictions, evidence } = report;
  return [
    `${operations} operations, ${acknowledged} acknowledged, ${inDoubt} in doubt, ${errors} errors. Faults: ${faults.join(', ')}.`,
    convictions.length === 0
      ? `Every promise was kept (seed ${seed}).`
      : `${convictions.length} broken promises. Again: lockstep torture --seed ${seed}. Evidence: ${evidence}`,
  ].join('\n');
}

function killText({ kills, acknowledged, inDoubt, lost, differences, convictions }: KillLoopReport): string {
  return `${kills} kills, ${acknowledged} operations acknowledged, ${inDoubt} in doubt. Lost: ${lost}. Differences between the members: ${differences}. Broken promises: ${convictions.length}.`;
}

function wholeNumber(option: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw usage(`${option} ${text}: a whole number from 1 up`);
}

function usage(message: string): LockstepError {
  return new LockstepError({ code: 'cli.usage', message });
}
