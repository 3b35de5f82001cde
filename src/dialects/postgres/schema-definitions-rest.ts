/** What `schema-definitions.ts` reads of tables and functions, for the rarer kinds of objects, and what is said about objects. */

import { isUserSchema, notFromExtension, rightsText, roleName } from './catalog-sql.ts';

const sorted = (list: string): string =>
  `(SELECT string_agg(o, ', ' ORDER BY o COLLATE "C") FROM unnest(${list}) o)`;

const foreign = `
  SELECT 'foreign data wrapper ' || quote_ident(w.fdwname), NULL, concat_ws(', ', 'handler ' || nullif(w.fdwhandler, 0)::regproc, 'validator ' || nullif(w.fdwvalidator, 0)::regproc,
    'options ' || ${sorted('w.fdwoptions')}, 'owner ' || ${roleName('w.fdwowner')}, 'rights ' || ${rightsText(`coalesce(w.fdwacl, acldefault('F', w.fdwowner))`)})
  FROM pg_foreign_data_wrapper w WHERE ${notFromExtension('pg_foreign_data_wrapper', 'w.oid')}
  UNION ALL
  SELECT 'server ' || quote_ident(s.srvname), NULL, concat_ws(', ', w.fdwname, 'type ' || s.srvtype, 'version ' || s.srvversion,
    'options ' || ${sorted('s.srvoptions')}, 'owner ' || ${roleName('s.srvowner')}, 'rights ' || ${rightsText(`coalesce(s.srvacl, acldefault('S', s.srvowner))`)})
  FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw WHERE ${notFromExtension('pg_foreign_server', 's.oid')}
  UNION ALL
  -- There are passwords among the options: they are compared and not shown.
  SELECT format('user mapping of %I on server %I', m.usename, m.srvname), 'server ' || quote_ident(m.srvname), 'options ' || hashtextextended(${sorted('m.umoptions')}, 0)
  FROM pg_user_mappings m`;

const statistics = `
  SELECT format('statistics %I.%I', n.nspname, s.stxname), 'schema ' || quote_ident(n.nspname),
    concat_ws(', ', pg_get_statisticsobjdef(s.oid), 'target ' || nullif(coalesce(s.stxstattarget, -1), -1), 'owner ' || ${roleName('s.stxowner')})
  FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace AND ${isUserSchema('n.nspname')} WHERE ${notFromExtension('pg_statistic_ext', 's.oid')}`;

/** Column lists and conditions came with version 15, and schemas too: names that a version lacks are found in what stands around it. */
/** What version 18 says besides, where it means what older ones do. */
const newDefaults = `CASE to_jsonb(p)->>'pubgencols' WHEN 'n' THEN 'pubgencols' ELSE '' END`;

const publications = `
  SELECT 'publication ' || quote_ident(p.pubname), NULL, concat_ws(', ', (to_jsonb(p) - '{oid,pubname,pubowner}'::text[] - ${newDefaults})::text, 'owner ' || ${roleName('p.pubowner')},
    'tables ' || (SELECT string_agg(shown, ', ' ORDER BY shown COLLATE "C") FROM (
      SELECT concat_ws(' ', r.prrelid::regclass, (SELECT 'where ' || pg_get_expr(prqual, prrelid) FROM pg_publication_rel own WHERE own.oid = r.oid),
        (SELECT format('(%s)', string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname)) FROM pg_attribute a WHERE a.attrelid = r.prrelid
           AND a.attnum = ANY ((SELECT prattrs FROM pg_publication_rel own WHERE own.oid = r.oid)::int2[]) HAVING count(*) > 0)) AS shown
      FROM pg_publication_rel r WHERE r.prpubid = p.oid) tables),
    'schemas ' || (SELECT string_agg(quote_ident(n.nspname), ', ' ORDER BY n.nspname COLLATE "C") FROM pg_depend d
      JOIN pg_depend s ON s.classid = d.classid AND s.objid = d.objid AND s.refclassid = 'pg_namespace'::regclass JOIN pg_namespace n ON n.oid = s.refobjid
      WHERE d.classid = to_regclass('pg_catalog.pg_publication_namespace') AND d.refclassid = 'pg_publication'::regclass AND d.refobjid = p.oid))
  FROM (SELECT NULL::pg_node_tree AS prqual, NULL::int2vector AS prattrs) absent CROSS JOIN pg_publication p`;

const rarer = `
  SELECT 'access method ' || quote_ident(m.amname), NULL, concat_ws(' ', m.amtype, m.amhandler::regproc) FROM pg_am m
  WHERE m.oid >= 16384 AND ${notFromExtension('pg_am', 'm.oid')}
  UNION ALL
  SELECT format('transform for %s language %I', f.trftype::regtype, l.lanname), NULL, concat_ws(' ', 'from', nullif(f.trffromsql::oid, 0)::regprocedure, 'to', nullif(f.trftosql::oid, 0)::regprocedure)
  FROM pg_transform f JOIN pg_language l ON l.oid = f.trflang WHERE f.oid >= 16384 AND ${notFromExtension('pg_transform', 'f.oid')}
  UNION ALL
  SELECT format('conversion %I.%I', n.nspname, k.conname), 'schema ' || quote_ident(n.nspname), concat_ws(' ', pg_encoding_to_char(k.conforencoding), pg_encoding_to_char(k.contoencoding), k.conproc::regproc,
    CASE WHEN k.condefault THEN 'default' END, 'owner', ${roleName('k.conowner')})
  FROM pg_conversion k JOIN pg_namespace n ON n.oid = k.connamespace AND ${isUserSchema('n.nspname')} WHERE ${notFromExtension('pg_conversion', 'k.oid')}
  UNION ALL
  SELECT format('text search parser %I.%I', n.nspname, k.prsname), 'schema ' || quote_ident(n.nspname), concat_ws(' ', k.prsstart, k.prstoken, k.prsend, k.prsheadline, k.prslextype)
  FROM pg_ts_parser k JOIN pg_namespace n ON n.oid = k.prsnamespace AND ${isUserSchema('n.nspname')} WHERE ${notFromExtension('pg_ts_parser', 'k.oid')}
  UNION ALL
  SELECT format('text search template %I.%I', n.nspname, k.tmplname), 'schema ' || quote_ident(n.nspname), concat_ws(' ', k.tmplinit, k.tmpllexize)
  FROM pg_ts_template k JOIN pg_namespace n ON n.oid = k.tmplnamespace AND ${isUserSchema('n.nspname')} WHERE ${notFromExtension('pg_ts_template', 'k.oid')}
  UNION ALL
  SELECT format('operator family %I.%I using %s', n.nspname, o.opfname, m.amname), 'schema ' || quote_ident(n.nspname), concat_ws(' ', 'owner', ${roleName('o.opfowner')},
    (SELECT string_agg(concat_ws(' ', a.amoppurpose, a.amopstrategy, a.amopopr::regoperator, 'by ' || (SELECT opfname FROM pg_opfamily s WHERE s.oid = a.amopsortfamily)), ', '
       ORDER BY a.amopstrategy, a.amopopr::regoperator::text COLLATE "C") FROM pg_amop a WHERE a.amopfamily = o.oid),
    (SELECT string_agg(concat_ws(' ', a.amprocnum, a.amproclefttype::regtype, a.amprocrighttype::regtype, a.amproc::regprocedure), ', '
       ORDER BY a.amprocnum, a.amproclefttype::regtype::text COLLATE "C", a.amprocrighttype::regtype::text COLLATE "C") FROM pg_amproc a WHERE a.amprocfamily = o.oid))
  FROM pg_opfamily o JOIN pg_am m ON m.oid = o.opfmethod JOIN pg_namespace n ON n.oid = o.opfnamespace AND ${isUserSchema('n.nspname')} WHERE ${notFromExtension('pg_opfamily', 'o.oid')}`;

const database = `
  SELECT 'database', NULL, 'owner ' || pg_get_userbyid(d.datdba) FROM pg_database d WHERE d.datname = current_database()
  UNION ALL
  SELECT 'rights on database', NULL, ${rightsText(`coalesce(d.datacl, acldefault('d', d.datdba))`)} FROM pg_database d WHERE d.datname = current_database()
  UNION ALL
  SELECT 'comment on database', NULL, shobj_description(d.oid, 'pg_database') FROM pg_database d
  WHERE d.datname = current_database() AND shobj_description(d.oid, 'pg_database') IS NOT NULL`;

/** The object that a part belongs to, in the words of the definitions: its absence is no news where the whole is absent. */
const wholeOf = `CASE WHEN said.type ~ ' column$' THEN 'column ' || said.identity WHEN said.type = 'composite type' THEN 'type ' || said.identity
  WHEN said.type IN ('table constraint', 'trigger', 'rule', 'policy') THEN 'table ' || regexp_replace(said.identity, '^.* on ', '')
  ELSE concat(said.type, ' ', said.identity) END`;

/** Those of the system's own objects are left out, as a dump leaves them out, and what an extension says of its own. */
const isSaidByUsers = (catalog: string): string => `
  CROSS JOIN LATERAL pg_identify_object(${catalog}.classoid, ${catalog}.objoid, ${catalog}.objsubid) said
  WHERE said.type <> 'large object' AND (${catalog}.objoid >= 16384 OR (${catalog}.classoid = 'pg_namespace'::regclass AND said.identity = 'public'))
    AND coalesce(said.schema, '') !~ '^(lockstep$|pg_)' AND said.identity !~ '^"?(!?lockstep_|lockstep$)'
    AND NOT EXISTS (SELECT FROM pg_depend brought WHERE brought.classid = ${catalog}.classoid AND brought.objid = ${catalog}.objoid AND brought.deptype = 'e')`;

const said = `
  SELECT concat('comment on ', said.type, ' ', said.identity), ${wholeOf}, d.description FROM pg_description d ${isSaidByUsers('d')}
  UNION ALL
  SELECT concat('security label of ', quote_ident(d.provider), ' on ', said.type, ' ', said.identity), ${wholeOf}, d.label FROM pg_seclabel d ${isSaidByUsers('d')}
  UNION ALL
  SELECT concat(said.type, ' ', said.identity, ' depends on extension ', quote_ident(e.extname)), ${wholeOf}, 'is dropped with it'
  FROM pg_extension e JOIN (SELECT classid AS classoid, objid AS objoid, objsubid, refobjid FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'x') d
    ON d.refobjid = e.oid ${isSaidByUsers('d')}`;

export const restQueries: readonly string[] = [foreign, statistics, publications, rarer, database, said];
