/** What there is in the schema of Lockstep, who may use it, and why that is harmless. `tests/attacks/control-rights.test.ts` holds members to it. */

export interface ControlRights {
  /** Numbered ones as one: `log_N`. */
  readonly objects: readonly string[];
  /** As the test describes them. */
  readonly are: string;
  readonly because: string;
}

export const controlRights: readonly ControlRights[] = [
  {
    objects: ['event trigger lockstep_guard_ddl'],
    are: 'ddl_command_end: lockstep.guard_ddl, O',
    because: 'Made and owned by a superuser, as every event trigger; it refuses, and does nothing else.',
  },
  {
    objects: ['event trigger lockstep_guard_drop'],
    are: 'sql_drop: lockstep.guard_ddl, O',
    because: 'Made and owned by a superuser, as every event trigger; it refuses, and does nothing else.',
  },
  {
    objects: ['event trigger lockstep_guard_caller'],
    are: 'ddl_command_end: lockstep.note_caller, O',
    because:
      'Made and owned by a superuser, as every event trigger; it notes who the caller is, and what is noted before it replaces.',
  },
  {
    objects: ['event trigger lockstep_guard_caller_drop'],
    are: 'sql_drop: lockstep.note_caller, O',
    because:
      'Made and owned by a superuser, as every event trigger; it notes who the caller is, and what is noted before it replaces.',
  },
  {
    objects: ['event trigger lockstep_guard_rewrite'],
    are: 'table_rewrite: lockstep.guard_rewrite, O',
    because:
      'Made and owned by a superuser, as every event trigger; it notes a number where no client writes.',
  },
  {
    objects: ['event trigger lockstep_guard_start'],
    are: 'ddl_command_start: lockstep.guard_start, O',
    because: 'Made and owned by a superuser, as every event trigger; it takes a lock, and does nothing else.',
  },
  {
    objects: ['function note_caller()'],
    are: 'invoker; owner',
    because: 'Fires as an event trigger of Lockstep. All names in it are qualified.',
  },
  {
    objects: ['function guard_ddl()', 'function guard_start()'],
    are: 'definer; search_path=pg_catalog, pg_temp, lc_messages=C; owner',
    because:
      'Fires as an event trigger of Lockstep, for which nobody needs a right; names of clients come last.',
  },
  {
    objects: [
      'function attach_to(only_these oid[])',
      'function admit(p_term bigint, p_digest bytea)',
      'function append(piece text)',
      'function before_finish(p_secret bytea, p_slot integer, p_csn bigint, p_term bigint, p_token text)',
      'function capture_sequences()',
      'function collected()',
      'function fence(p_term bigint)',
      'function hush()',
      'function late()',
      'function note_numbers()',
      'function note_settings(these oid[])',
      'function settings_in_expressions(these oid[])',
      'function record_position(sch name, seq name, exact boolean, v bigint, called boolean)',
      'function record_text(p_secret bytea, role_name text, path text, settings text, statement text)',
      'function refuse_uncarried(held oid[])',
      'function spill_table()',
      'function touched(OUT relations oid[], OUT held oid[])',
      'function whole_spill()',
      'function append_alone(piece text)',
      'function append_statement(role_name text, path text, settings text, statement text)',
      'function guard_rewrite()',
      'function note_nested(tag text, event text, stack text)',
      'function record_extension_rows_of(extension oid)',
      'function refuse_unjudged()',
      'function unjudged()',
    ],
    are: 'definer; search_path=pg_catalog, pg_temp; owner',
    because:
      'Only the role of the node may call it, and functions of its own do; names of clients come last.',
  },
  {
    objects: [
      'function adopt(settings json)',
      'function boxed(n integer)',
      'function boxed_work()',
      'function demand_temporary(p_secret bytea, p_targets text[], p_tag text)',
    ],
    are: 'invoker; EXECUTE to PUBLIC',
    because: 'It runs with the rights of its caller: what he gives it to do, he could do without it.',
  },
  {
    objects: [
      'function expect_view(p_secret bytea, p_name text)',
      'function record_created_table(p_secret bytea, p_schema text, p_name text)',
      'function record_extension_rows(p_secret bytea, p_name text)',
      'function record_of_statistics(p_secret bytea, p_statement text, p_statistics text[])',
      'function record_block(p_secret bytea, p_statement text, p_targets text[], p_sources text[])',
      'function record_statement(p_secret bytea, p_statement text, p_targets text[], p_sources text[])',
      'function record_table_rows(p_secret bytea, p_name text, p_of_domains boolean)',
      'function record_view(p_secret bytea, p_statement text, p_name text)',
    ],
    are: 'invoker; EXECUTE to PUBLIC',
    because: 'It runs with the rights of its caller, and hands the secret on, which a client does not have.',
  },
  {
    objects: [
      'function advance_sequence(sch text, seq text, target bigint, called boolean, exact boolean)',
      'function demand_effect(p_effect json)',
      'function statement_piece(role_name text, path text, settings text, statement text)',
      'function structure_of(relation oid)',
      'function demand_nothing_else(p_work text, p_rows bigint, p_before bigint[], p_after bigint[])',
      'function diverged(relation text, wanted bigint, changed bigint)',
      'function expect(text)',
      'function in_box(p_role oid, p_relations oid[], p_work text, p_first text[], p_second text[], p_rows bigint, p_surroundings json)',
      'function leave_nothing()',
      'function written_now()',
      'function demand_unwritten(p_before text)',
      'function leave_out(p_indexes oid[])',
      'function may_concern(record bytea, piece text)',
      'function logged_image(p_slot smallint, p_csn bigint, p_from bigint, p_to bigint)',
      'function put_back(p_saved jsonb)',
      'function raise_term(p_term bigint)',
      'function refuse_record()',
      'function refuse_stranger()',
      'function refuse_unable()',
      'function refuse_term(p_term bigint)',
      'function row_image(relation oid, alias text)',
      'function set_aside(p_relations oid[], p_domains oid[], p_unbound boolean)',
      'function take_numbers(p_labels json)',
      'function usual_path(p_role oid)',
      'function warn_unrepeatable(p_touched oid[])',
      'function write_computed(p_work text, p_first text[], p_second text[], p_rows bigint, p_shown text, p_relations oid[], p_owner oid, p_settings json)',
      'function write_marked(p_work text, p_first text[], p_second text[], p_rows bigint, p_shown text, p_relations oid[], p_domains oid[], p_unbound boolean, p_box boolean, p_surroundings text, p_last boolean)',
      'function write_marked_images(p_work text, p_images text, p_shown text, p_relations oid[], p_domains oid[], p_unbound boolean, p_box boolean, p_surroundings text, OUT written bigint, OUT left_out json)',
      'function written(p_relations oid[])',
    ],
    are: 'invoker; search_path=pg_catalog, pg_temp; owner',
    because: 'Only the role of the node may call it.',
  },
  {
    objects: ['function overflow(c text)', 'function spill()'],
    are: 'definer; search_path=pg_catalog, pg_temp, client_min_messages=error; owner',
    because:
      'Only the role of the node may call it, and functions of its own do; names of clients come last.',
  },
  {
    objects: ['function attach()'],
    are: 'definer; search_path=pg_catalog, pg_temp, client_min_messages=error, enable_nestloop=off, jit=off; owner',
    because: 'As watch; it looks at all tables, of which there may be no statistics.',
  },
  {
    objects: ['function attach_touched()'],
    are: 'definer; search_path=pg_catalog, pg_temp, plan_cache_mode=force_generic_plan, enable_seqscan=off, jit=off; owner',
    because: 'Only the role of the node may call it; names of clients come last.',
  },
  {
    objects: ['function statement_done(p_secret bytea)'],
    are: 'definer; search_path=pg_catalog, pg_temp, plan_cache_mode=force_generic_plan, enable_seqscan=off, jit=off; EXECUTE to PUBLIC',
    because: 'The node calls it in sessions of clients: without its secret it does nothing but refuse.',
  },
  {
    objects: ['function watch(relation oid)'],
    are: 'definer; search_path=pg_catalog, pg_temp, plan_cache_mode=force_generic_plan, enable_seqscan=off, jit=off, client_min_messages=error; owner',
    because:
      'Only the role of the node may call it, and functions of its own do; names of clients come last.',
  },
  {
    objects: [
      'function before_reset(p_secret bytea)',
      'function begin_building(p_secret bytea)',
      'function end_building(p_secret bytea)',
      'function note_block(p_secret bytea, role_name text, path text, settings text, statement text, targets oid[], sources oid[], p_into name)',
      'function expect_statement(p_secret bytea)',
      'function large_part(p_secret bytea, p_slot smallint, p_csn bigint, p_part integer)',
      'function note_created_table(p_secret bytea, role_name text, path text, settings text, relation oid)',
      'function note_extension_rows(p_secret bytea, p_extension text)',
      'function note_rows(p_secret bytea, relation oid, p_of_domains boolean)',
      'function note_statement(p_secret bytea, role_name text, path text, settings text, statement text, targets oid[], sources oid[], p_into name)',
      'function note_view(p_secret bytea, role_name text, path text, settings text, statement text, temporary oid)',
      'function open_session(p_secret bytea)',
      'function pending_bytes()',
      'function record_so_far(p_secret bytea, p_max bigint)',
      'function sweep_sequences(p_secret bytea, exact boolean)',
      'function admit_nested(p_secret bytea, p_seqs bigint[], p_lengths integer[])',
    ],
    are: 'definer; search_path=pg_catalog, pg_temp; EXECUTE to PUBLIC',
    because:
      'The node calls it in sessions of clients: without its secret it does nothing but refuse. pending_bytes takes nothing, and tells a session how much it has changed itself.',
  },
  {
    objects: [
      'function capture_checked()',
      'function capture_plain()',
      'function capture_surrounded()',
      'function capture_truncate()',
      'function inserted_checked()',
      'function inserted_plain()',
      'function inserted_surrounded()',
    ],
    are: 'definer; owner',
    because:
      'Fires as a trigger of Lockstep, for which nobody needs a right; nobody else can make a trigger of it. All names in it are qualified.',
  },
  {
    objects: [
      'function capture_pinned()',
      'function inserted_pinned()',
      'function record_rows(relation oid)',
    ],
    are: 'definer; DateStyle=ISO, MDY, TimeZone=UTC, IntervalStyle=postgres, extra_float_digits=1, lc_monetary=C, bytea_output=hex, search_path=pg_catalog, pg_temp; owner',
    because:
      'Fires as a trigger of Lockstep, or is called by functions of its own; names of clients come last.',
  },
  {
    objects: ['function described(p_class oid, p_object oid)'],
    are: 'invoker; DateStyle=ISO, MDY, TimeZone=UTC, IntervalStyle=postgres, extra_float_digits=1, lc_monetary=C, bytea_output=hex, search_path=pg_catalog, pg_temp, quote_all_identifiers=off; owner',
    because: 'Only the role of the node may call it, and functions of its own do.',
  },
  {
    objects: ['function finish_N(p_secret bytea, p_csn bigint, p_term bigint, p_token text)'],
    are: 'definer; EXECUTE to PUBLIC',
    because:
      'The node calls it in sessions of clients: without its secret it does nothing but refuse. All names in it are qualified.',
  },
  {
    objects: [
      'function finish_large(p_secret bytea, p_slot smallint, p_csn bigint, p_term bigint, p_token text)',
    ],
    are: 'definer; search_path=pg_catalog, pg_temp, client_min_messages=error; EXECUTE to PUBLIC',
    because: 'The node calls it in sessions of clients: without its secret it does nothing but refuse.',
  },
  {
    objects: ['function is_node(p_secret bytea)'],
    are: 'invoker; owner',
    because: 'Only functions of Lockstep call it. The digest in it tells nobody the secret.',
  },
  {
    objects: ['function refuse_hidden_view(temporary oid)'],
    are: 'invoker; search_path=pg_catalog, pg_temp; EXECUTE to PUBLIC',
    because: 'It runs with the rights of its caller, and at most raises an error.',
  },
  {
    objects: ['function sweep_moved_sequences(p_secret bytea)'],
    are: 'definer; search_path=pg_catalog, pg_temp, lock_timeout=50ms; EXECUTE to PUBLIC',
    because: 'The node calls it in a session of its own: without its secret it does nothing but refuse.',
  },
  {
    objects: ['schema lockstep'],
    are: 'USAGE to PUBLIC',
    because: 'Sessions of clients call functions in it; nobody may make anything in it.',
  },
  {
    objects: [
      'sequence foreign_write',
      'sequence term',
      'table heartbeat',
      'table log',
      'table log_N',
      'table member',
      'table sequence_reset',
      'table sequence_shipped',
      'table setting_read',
    ],
    are: 'owner',
    because: 'Nobody but its owner may read or write it.',
  },
  {
    objects: ['table box', 'table schema_fence'],
    are: 'owner',
    because: 'Nobody but its owner may read, write or lock it.',
  },
];
