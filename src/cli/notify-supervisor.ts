/**
 * Tells systemd how the node is doing (`Type=notify`). That is a message to a datagram socket, of a kind that Node does not
 * have, so `systemd-notify` sends it. The unit needs `NotifyAccess=all`, because the message comes from a child.
 */
import { spawn } from 'node:child_process';
import type { CliIo } from './cli-io.ts';

const TOLD_MS = 5000;

/** `state` as sd_notify(3) has it: `READY=1`. Nothing happens where no supervisor asked for it. Never throws. */
export function notifySupervisor(io: CliIo, ...state: readonly string[]): void {
  const socket = io.env['NOTIFY_SOCKET'];
  if (socket === undefined || socket === '') return;
  const child = spawn('systemd-notify', [`--pid=${process.pid}`, ...state], {
    stdio: 'ignore',
    env: { PATH: io.env['PATH'] ?? '', NOTIFY_SOCKET: socket },
    timeout: TOLD_MS,
  });
  child.unref();
  child.once('error', (error) => {
    io.stderr.write(
      `lockstep: systemd cannot be told ${state[0]}: ${error.message}\n  hint: install systemd-notify, or write Type=exec in the unit\n`,
    );
  });
}
