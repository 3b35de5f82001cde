/** Everything that can be done to a cluster, and undone. */

import type { Stage, StageMember } from '../stage.ts';

export interface FaultKind {
  readonly what: string;
  readonly target: 'member' | 'node' | 'clients' | 'all';
  /** How long until it is undone, at most. */
  readonly lastsMsMax: number;
  /** Needs members that are ours to kill. */
  readonly needs?: 'servers' | 'small disk';
  /** How often it is drawn, against the others. */
  readonly often: number;
  readonly begin: (stage: Stage, member: StageMember) => unknown;
  readonly end: (stage: Stage, member: StageMember) => unknown;
}

async function startAgain(_: Stage, { server }: StageMember): Promise<void> {
  if (server !== undefined && !server.running) await server.start();
}

export const faultKinds = {
  kill: {
    what: 'kill -9 of a member and its processes',
    target: 'member',
    lastsMsMax: 3000,
    needs: 'servers',
    often: 3,
    begin: (_, { server }) => server?.kill9(),
    end: startAgain,
  },
  postmaster: {
    what: 'kill -9 of the main process of a member alone',
    target: 'member',
    lastsMsMax: 2000,
    needs: 'servers',
    often: 1,
    begin: (_, { server }) => server?.kill9('postmaster'),
    end: startAgain,
  },
  stop: {
    what: 'immediate stop of a member',
    target: 'member',
    lastsMsMax: 3000,
    needs: 'servers',
    often: 2,
    begin: (_, { server }) => server?.stop('immediate'),
    end: startAgain,
  },
  freeze: {
    what: 'SIGSTOP of a member, then SIGCONT',
    target: 'member',
    lastsMsMax: 4000,
    needs: 'servers',
    often: 2,
    begin: (_, { server }) => (server?.running === true ? server.pause() : undefined),
    end: (_, { server }) => server?.resume(),
  },
  cut: {
    what: 'every connection to a member is reset',
    target: 'member',
    lastsMsMax: 0,
    often: 2,
    begin: (_, { proxy }) => proxy.cut(),
    end: () => undefined,
  },
  refuse: {
    what: 'the machine of a member is gone: connections stay half-open, new ones are refused',
    target: 'member',
    lastsMsMax: 3000,
    often: 1,
    begin: async (_, { proxy }) => {
      await proxy.refuse();
      proxy.vanish();
    },
    end: (_, { proxy }) => proxy.accept(),
  },
  deaf: {
    what: 'open connections to a member never bring an answer again',
    target: 'member',
    lastsMsMax: 0,
    often: 1,
    begin: (_, { proxy }) => proxy.loseAnswers(),
    end: () => undefined,
  },
  slow: {
    what: 'a slow network to a member, bytes in small pieces',
    target: 'member',
    lastsMsMax: 4000,
    often: 1,
    begin: (_, { proxy }) => proxy.set({ latencyMs: 40, segmentBytes: 700 }),
    end: (_, { proxy }) => proxy.set({ latencyMs: 0, segmentBytes: 0 }),
  },
  partition: {
    what: 'node and member cannot reach each other, and nobody is told',
    target: 'member',
    lastsMsMax: 4000,
    often: 2,
    begin: (stage, member) => stage.part(member),
    end: (stage, member) => stage.rejoin(member),
  },
  disk: {
    what: 'the disk of a member is full',
    target: 'member',
    lastsMsMax: 2000,
    needs: 'small disk',
    often: 2,
    begin: (stage, member) => stage.fillDisk(member),
    end: async (stage, member) => {
      stage.emptyDisk(member);
      await startAgain(stage, member);
    },
  },
  outage: {
    what: 'kill -9 of all members in one instant',
    target: 'all',
    lastsMsMax: 1000,
    needs: 'servers',
    often: 1,
    begin: async (stage) => {
      const servers = stage.members.flatMap(({ server }) => (server?.running === true ? [server] : []));
      await Promise.all(servers.map((server) => server.pause()));
      await Promise.all(servers.map((server) => server.kill9()));
    },
    end: (stage) => Promise.all(stage.members.map((member) => startAgain(stage, member))),
  },
  node: {
    what: 'kill -9 of the node',
    target: 'node',
    lastsMsMax: 500,
    often: 4,
    begin: (stage) => stage.node.kill9(),
    end: (stage) => stage.node.start(),
  },
  sleep: {
    what: 'SIGSTOP of the node, then SIGCONT',
    target: 'node',
    lastsMsMax: 3000,
    often: 1,
    begin: (stage) => stage.node.signal('SIGSTOP'),
    end: (stage) => stage.node.signal('SIGCONT'),
  },
  clients: {
    what: 'answers to all clients are lost, then their connections are reset',
    target: 'clients',
    lastsMsMax: 1000,
    often: 1,
    begin: (stage) => stage.clientProxy.loseAnswers(),
    end: (stage) => stage.clientProxy.cut(),
  },
} as const satisfies Readonly<Record<string, FaultKind>>;

export type FaultName = keyof typeof faultKinds;
export const faultNames = Object.keys(faultKinds) as readonly FaultName[];
