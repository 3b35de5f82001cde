/**
 * The part of the control schema that gives the labels of enums the same numbers on every member. Their hashes are made of those, so a
 * row then lies in the same partition everywhere, and an image of the disk's bytes is the same.
 */

import { definerPath } from './pinned-settings.ts';

/** Made by the open transaction: a subtransaction has a number of its own. */
const isNew = 'age(e.xmin) <= age(pg_current_xact_id_if_assigned()::xid)';

export const numbers = `
-- After a schema statement: the labels of each enum that has got some.
CREATE FUNCTION lockstep.note_numbers() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ${definerPath} AS $f$
DECLARE labels text := (SELECT json_agg(json_build_array(n.nspname, t.typname, e.enumlabel, e.oid::text))::text
  FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid JOIN pg_namespace n ON n.oid = t.typnamespace
  WHERE NOT starts_with(n.nspname, 'pg_temp') AND e.enumtypid IN (SELECT e.enumtypid FROM pg_enum e WHERE ${isNew}));
BEGIN
  IF labels IS NOT NULL THEN PERFORM lockstep.append('N' || octet_length(labels) || ':' || labels); END IF;
END $f$;

-- On a replica, behind that statement. A type keeps its own numbers when some of its labels were there before with others, when one of the
-- numbers is taken, or when something is made of the type already, which may have stored a number. All or nothing: order is by number.
CREATE FUNCTION lockstep.take_numbers(p_labels json) RETURNS void LANGUAGE plpgsql SET search_path = ${definerPath} AS $f$
DECLARE wanted record;
BEGIN
  FOR wanted IN
    SELECT t.oid AS type, array_agg(e.oid ORDER BY e.oid) AS now, array_agg((v->>3)::oid ORDER BY e.oid) AS numbers
      FROM json_array_elements(p_labels) v JOIN pg_namespace n ON n.nspname = v->>0 JOIN pg_type t ON t.typnamespace = n.oid AND t.typname = v->>1
      JOIN pg_enum e ON e.enumtypid = t.oid AND e.enumlabel = v->>2
     WHERE e.oid <> (v->>3)::oid
     GROUP BY t.oid
    HAVING bool_and(${isNew})
       AND (NOT EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_type'::regclass AND d.refobjid = t.oid AND d.deptype <> 'i')
         OR EXISTS (SELECT FROM pg_enum e WHERE e.enumtypid = t.oid AND NOT ${isNew}))
  LOOP
    BEGIN
      -- Each number may be another label's before it moves.
      UPDATE pg_enum SET oid = (4294000000 + array_position(wanted.now, oid))::oid WHERE oid = ANY (wanted.now);
      UPDATE pg_enum SET oid = wanted.numbers[(oid::bigint - 4294000000)::integer] WHERE enumtypid = wanted.type AND oid::bigint > 4294000000;
    EXCEPTION WHEN unique_violation OR insufficient_privilege THEN
      -- It keeps its own.
    END;
  END LOOP;
END $f$;
`;
