export type { CliInput, CliIo, CliOutput } from './cli-io.ts';
export { connectionUrl, demoText, snippet } from './demo-text.ts';
export { exitCodeOf } from './exit-codes.ts';
export type { ExitCode } from './exit-codes.ts';
export type {
  CheckReport,
  DemoOptions,
  DetachReport,
  Finding,
  Program,
  RunningDemo,
  RunningNode,
  ServeOptions,
  ServingNode,
} from './program.ts';
export { runCli } from './run-cli.ts';
