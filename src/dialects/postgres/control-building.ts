/**
 * The part of the control schema for CREATE INDEX CONCURRENTLY, which runs as it is in the client's session, on each member. Its transactions
 * are no part of the one order. So nothing else can come of them: the session is none of the node's meanwhile, whatever code of the
 * index writes is refused as written around Lockstep, and the one schema statement that passes makes an index with a name of Lockstep's own.
 */

import { definerPath } from './pinned-settings.ts';
import { nodeOnly } from './control-commit.ts';
import { expectedSetting, register } from './register.ts';

const word = 'lockstep_building';

/** Without a superuser there are no event triggers, so nobody asks. */
export const buildingFunctions = (superuser: boolean): string => `
CREATE FUNCTION lockstep.begin_building(p_secret bytea) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
BEGIN
  ${nodeOnly}
  PERFORM set_config('${register}', '', false), ${superuser ? `set_config('${expectedSetting}', '${word}', false), ` : ''}set_config('default_transaction_read_only', 'off', false);
END $f$;

CREATE FUNCTION lockstep.end_building(p_secret bytea) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
BEGIN
  ${nodeOnly}
  -- As if nobody had ever set them: what a session has set is taken for the client's.
  ${superuser ? `RESET ${expectedSetting}; ` : ''}RESET default_transaction_read_only;
  PERFORM lockstep.open_session(p_secret);
END $f$;
`;

/** In the guard: this is the index that is expected, made by the statement itself and not by code in it. */
export const isExpectedIndex = (stack: string, prefix: string): string =>
  `(TG_TAG = 'CREATE INDEX' AND TG_EVENT = 'ddl_command_end' AND current_setting('${expectedSetting}') = '${word}' AND strpos(${stack}, E'\\n') = 0
    AND NOT EXISTS (SELECT FROM pg_event_trigger_ddl_commands() made LEFT JOIN pg_class x ON x.oid = made.objid AND made.classid = 'pg_class'::regclass AND x.relkind = 'i' AND starts_with(x.relname, '${prefix}') WHERE x.oid IS NULL))`;
