/** A dump makes extensions in whatever version is newest there. They are made in the source's, where it can be had. */

import { LockstepError } from '../../../../base/index.ts';
import { quoteLiteral } from '../../../../sql/index.ts';
import type { InternalConnection } from '../../internal-connection.ts';

export interface ExtensionVersion {
  readonly name: string;
  /** Undefined: the newest. */
  readonly version: string | undefined;
}

/** By their number in the source's catalog. Throws when the target cannot have one of them, or not in this version. */
export async function chooseVersions(options: {
  readonly source: InternalConnection;
  readonly target: InternalConnection;
  readonly sourceId: string;
  readonly targetId: string;
  /** Both are of one major version. Else an extension's version may go with the server's. */
  readonly oneMajor: boolean;
}): Promise<ReadonlyMap<string, ExtensionVersion>> {
  const { source, target, sourceId, targetId, oneMajor } = options;
  const available = new Set<string>();
  const versions = await target.rows('SELECT name, version FROM pg_available_extension_versions');
  for (const [name, version] of versions) {
    available.add(JSON.stringify([name]));
    available.add(JSON.stringify([name, version]));
  }
  const chosen = new Map<string, ExtensionVersion>();
  const missing: string[] = [];
  for (const [oid, name, version] of await source.rows('SELECT oid, extname, extversion FROM pg_extension')) {
    const same = available.has(JSON.stringify([name, version]));
    if (!same && (oneMajor || !available.has(JSON.stringify([name])))) missing.push(`${name} ${version}`);
    chosen.set(oid ?? '', { name: name ?? '', version: same ? (version ?? undefined) : undefined });
  }
  if (missing.length === 0) return chosen;
  throw new LockstepError({
    code: 'sync.schema-not-made',
    message: `the server of member ${targetId} does not have these extensions that member ${sourceId} uses, or not in this version: ${missing.join(', ')}; nothing of the member was removed`,
    hint: `Install them there in these versions, or have ALTER EXTENSION … UPDATE bring ${sourceId} to a version that both servers have. The member stays marked as incomplete.`,
  });
}

/** The statements of one extension's entry in the dump. */
export function inVersion(text: string, { version }: ExtensionVersion): string {
  if (version === undefined) return text;
  return text.replace(
    /^(CREATE EXTENSION IF NOT EXISTS .*);$/m,
    (_, statement: string) => `${statement} VERSION ${quoteLiteral(version)};`,
  );
}
