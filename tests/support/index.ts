export { connect } from './connect.ts';
export { startNode, startNodeProcess, withNode } from './start-node.ts';
export type { NodeFixture, NodeProcess, NodeTestOptions, StartedNode } from './start-node.ts';
export { withServers } from './with-servers.ts';
export type { ServersFixture } from './with-servers.ts';
export { pgbench, psql, runTool, whyNoTool } from './tools.ts';
export type { ToolResult } from './tools.ts';
export { waitFor } from './wait-for.ts';
export type { WaitForOptions } from './wait-for.ts';
