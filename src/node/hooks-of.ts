import type { Config } from '../config/index.ts';
import type { Hook } from '../telemetry/index.ts';

/** The hooks of a configuration, in the words of those who carry them out. */
export function hooksOf({ hooks }: Config): readonly Hook[] {
  return hooks.map(({ name, on, run, post, authorization, timeoutMs, attempts }) => ({
    name,
    on,
    timeoutMs,
    action:
      post === undefined
        ? { kind: 'run', command: run ?? [] }
        : { kind: 'post', url: post.reveal(), authorization: authorization?.reveal(), attempts },
  }));
}
