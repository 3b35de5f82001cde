/** What there is in the schema of Lockstep, who may use it, and why that is harmless. `tests/attacks/control-rights.test.ts` holds members to it. */

export interface ControlRights {
  /** Numbered ones as one: `log_N`. */
  readonly objects: readonly string[];
  /** As the test describes them. */
  readonly are: string;
  readonly because: string;
  /** Known to be harmful. The table is to lose these entries, and gets no new ones. */
  readonly open?: true;
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
    objects: [
      'function advance_sequence(sch text, seq text, target bigint, called boolean, exact boolean)',
      'function raise_term(p_term bigint)',
    ],
    are: 'invoker; search_path=pg_catalog; owner',
    because: 'Only the role of the node may call it.',
  },
  {
    objects: [
      'function append(piece text)',
      'function collected()',
      'function diverged(relation text, wanted bigint, changed bigint)',
      'function expect_statement()',
      'function expect_table(existing oid)',
      'function expect_view(temporary oid)',
      'function guard_ddl()',
      'function lock_schema()',
      'function logged_image(p_slot smallint, p_csn bigint, p_from bigint, p_to bigint)',
      'function record_position(sch name, seq name, exact boolean, v bigint, called boolean)',
      'function record_statement(role_name text, path text, settings text, statement text, targets oid[], sources oid[])',
      'function record_text(role_name text, path text, settings text, statement text)',
      'function record_view(role_name text, path text, settings text, statement text, temporary oid)',
      'function refuse_term(p_term bigint)',
      'function row_image(relation oid, alias text)',
      'function statement_done()',
    ],
    are: 'invoker; search_path=pg_catalog; EXECUTE to PUBLIC by default',
    because:
      'Everybody may call it, because nobody has said otherwise; it runs with the rights of its caller.',
    open: true,
  },
  {
    objects: [
      'function attach()',
      'function finish_large(p_csn bigint, p_term bigint, p_slot smallint)',
      'function overflow(c text)',
      'function spill()',
    ],
    are: 'definer; search_path=pg_catalog, client_min_messages=error; EXECUTE to PUBLIC by default',
    because: 'Everybody may call it, and temporary objects of the caller may stand in for the catalog.',
    open: true,
  },
  {
    objects: [
      'function before_finish(p_term bigint)',
      'function capture_sequences()',
      'function fence(p_term bigint)',
      'function pending_bytes()',
      'function record_created_table(role_name text, path text, settings text, relation oid)',
      'function record_rows_of_domains(relation oid)',
      'function sweep_sequences(exact boolean)',
    ],
    are: 'definer; search_path=pg_catalog; EXECUTE to PUBLIC by default',
    because: 'Everybody may call it, and temporary objects of the caller may stand in for the catalog.',
    open: true,
  },
  {
    objects: [
      'function capture_checked()',
      'function capture_plain()',
      'function capture_truncate()',
      'function inserted_checked()',
      'function inserted_plain()',
    ],
    are: 'invoker; EXECUTE to PUBLIC by default',
    because:
      'Everybody may call it, because nobody has said otherwise; it runs with the rights of its caller.',
    open: true,
  },
  {
    objects: ['function capture_pinned()', 'function inserted_pinned()'],
    are: 'invoker; DateStyle=ISO, MDY, TimeZone=UTC, IntervalStyle=postgres, extra_float_digits=1, lc_monetary=C, bytea_output=hex, search_path=pg_catalog; EXECUTE to PUBLIC by default',
    because:
      'Everybody may call it, because nobody has said otherwise; it runs with the rights of its caller.',
    open: true,
  },
  {
    objects: ['function finish_N(p_csn bigint, p_term bigint)'],
    are: 'definer; EXECUTE to PUBLIC by default',
    because: 'Everybody may call it, and temporary objects of the caller may stand in for the catalog.',
    open: true,
  },
  {
    objects: ['function record_rows(relation oid)'],
    are: 'definer; DateStyle=ISO, MDY, TimeZone=UTC, IntervalStyle=postgres, extra_float_digits=1, lc_monetary=C, bytea_output=hex, search_path=pg_catalog; EXECUTE to PUBLIC by default',
    because: 'Everybody may call it, and temporary objects of the caller may stand in for the catalog.',
    open: true,
  },
  {
    objects: ['function sweep_moved_sequences()'],
    are: 'definer; search_path=pg_catalog, lock_timeout=50ms; EXECUTE to PUBLIC by default',
    because: 'Everybody may call it, and temporary objects of the caller may stand in for the catalog.',
    open: true,
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
    ],
    are: 'owner',
    because: 'Nobody but its owner may read or write it.',
  },
];
