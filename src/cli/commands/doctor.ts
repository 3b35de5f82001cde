/** What is wrong, and what to do: configuration, this machine, the node, every member, in one look that changes nothing. */
import { status as statusCommand } from '../../admin/index.ts';
import type { ClusterStatus } from '../../admin/index.ts';
import { messageOf } from '../../base/index.ts';
import { checkConfig, configPath, showProblem } from '../../config/index.ts';
import type { Config } from '../../config/index.ts';
import type { CliIo, CommonOptions } from '../cli-io.ts';
import { print } from '../cli-io.ts';
import { lookAtMachine } from '../doctor/look-at-machine.ts';
import { lookAtCluster, lookAtMember } from '../doctor/look-at-status.ts';
import type { ExitCode } from '../exit-codes.ts';
import type { Finding } from '../program.ts';
import { showDiagnosis } from '../show-check.ts';
import type { FindingGroup } from '../show-check.ts';
import { nodeClient } from './node-client.ts';

export async function doctor(io: CliIo, options: CommonOptions): Promise<ExitCode> {
  const path = configPath(options.config, io.env);
  const { config, problems } = await checkConfig(path, io.env);
  const file = problems.map(
    (problem): Finding => ({
      name: problem.key === '' ? 'file' : problem.key,
      ok: problem.severity === 'error' ? 'fail' : 'warn',
      found: showProblem(problem).replaceAll(/\s*\n\s*/g, '; '),
    }),
  );
  const groups: FindingGroup[] = [{ title: 'configuration', findings: named(file, path) }];
  if (config !== undefined) groups.push(...(await lookAtRest(io, options, config)));
  print(io, options, { groups }, () => showDiagnosis(groups));
  return groups.some(({ findings }) => findings.some(({ ok }) => ok === 'fail')) ? 'failed' : 'ok';
}

function named(findings: readonly Finding[], path: string): readonly Finding[] {
  return findings.length === 0 ? [{ name: 'file', ok: 'ok', found: path }] : findings;
}

async function lookAtRest(
  io: CliIo,
  options: CommonOptions,
  config: Config,
): Promise<readonly FindingGroup[]> {
  const program = await io.loadProgram();
  const [machine, seen, report, health] = await Promise.all([
    lookAtMachine(config),
    askNode(io, options),
    program.check(config),
    program.examine(config),
  ]);
  const status = 'cluster' in seen ? seen : undefined;
  const node = 'cluster' in seen ? lookAtCluster(seen, io.clock.wallTime().getTime()) : [seen];
  return [
    { title: 'this machine', findings: machine },
    { title: 'node', findings: node },
    ...report.members.map(({ id, url, findings }) => {
      const member = status?.members.find((one) => one.id === id);
      return {
        title: `${id}  ${url}`,
        findings: [
          ...(member === undefined ? [] : lookAtMember(member)),
          ...findings,
          ...(health.find((one) => one.id === id)?.findings ?? []),
        ],
      };
    }),
    { title: 'all members', findings: report.cluster },
  ].filter(({ findings }) => findings.length > 0);
}

async function askNode(io: CliIo, options: CommonOptions): Promise<ClusterStatus | Finding> {
  try {
    return await (await nodeClient(io, options)).ask(statusCommand, {});
  } catch (error) {
    return {
      name: 'node',
      ok: 'fail',
      found: messageOf(error),
      cure: 'lockstep serve starts it; where it should run already, its log says why it does not',
    };
  }
}
