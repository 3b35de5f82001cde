/** What a schema can hold beside the shop's, in parts: each is about one kind of thing, and needs nothing of the others. */
export const everySchema: Readonly<Record<string, string>> = {
  'columns of tables that inherit, in every order': `
    CREATE TABLE public.up (id int NOT NULL, v text DEFAULT 'up' CHECK (v <> 'never'));
    CREATE TABLE public.low (extra int DEFAULT 7, own serial, CHECK (extra > 0)) INHERITS (public.up);
    ALTER TABLE public.up ADD COLUMN late int DEFAULT 3 NOT NULL, ADD COLUMN "Odd, name" text COLLATE "C", ADD CONSTRAINT late_positive CHECK (late > 0);
    ALTER TABLE public.up ADD COLUMN twice int GENERATED ALWAYS AS (late * 2) STORED, ADD CONSTRAINT unproven CHECK (id <> 13) NOT VALID;
    ALTER TABLE public.low ADD COLUMN last date;
    CREATE TABLE public.lower (deep int) INHERITS (public.low); ALTER TABLE public.up ADD COLUMN latest text[] DEFAULT '{a}';
    CREATE TABLE public.aside (a int, b int); CREATE TABLE public.other (c int CHECK (c > 0)); CREATE TABLE public.both (b int, c int CONSTRAINT other_c_check CHECK (c > 0), a int) WITH (fillfactor = 50); ALTER TABLE public.both INHERIT public.aside; ALTER TABLE public.both INHERIT public.other;
    ALTER TABLE public.low ALTER COLUMN v SET STORAGE EXTERNAL; ALTER TABLE public.low ALTER COLUMN late SET DEFAULT 4; COMMENT ON COLUMN public.low.late IS 'later';
    INSERT INTO public.low (id, v, extra, late) VALUES (1, 'c', 9, 4); INSERT INTO public.lower (id, deep) VALUES (2, 3); INSERT INTO public.both VALUES (1, 2, 3);`,
  'dropped columns and partitions of another shape': `
    CREATE TABLE public.m (id int, gone int, v text, n int DEFAULT 1) PARTITION BY RANGE (id); ALTER TABLE public.m DROP COLUMN gone;
    CREATE TABLE public.m1 (v text, n int, id int NOT NULL); ALTER TABLE public.m ATTACH PARTITION public.m1 FOR VALUES FROM (0) TO (10);
    CREATE TABLE public.m2 PARTITION OF public.m FOR VALUES FROM (10) TO (20) PARTITION BY LIST (v); CREATE TABLE public.m2x PARTITION OF public.m2 DEFAULT WITH (fillfactor = 40);
    INSERT INTO public.m SELECT i, 'v' || i FROM generate_series(0, 19) i;
    CREATE TYPE public.pair AS (x int, y text, z int); ALTER TYPE public.pair DROP ATTRIBUTE y; CREATE TABLE public.holder (p public.pair, ps public.pair[], whole public.m1); INSERT INTO public.holder VALUES ((1, 2), ARRAY[(1, 2)::public.pair], ('a', 1, 2));`,
  'foreign keys of partitions, by names that no dump brings': `
    CREATE TABLE public.referred (a int PRIMARY KEY) PARTITION BY RANGE (a); CREATE TABLE public.referred_1 PARTITION OF public.referred FOR VALUES FROM (0) TO (10);
    CREATE TABLE public.referred_2 PARTITION OF public.referred FOR VALUES FROM (10) TO (20); CREATE TABLE public.refers (a int) PARTITION BY RANGE (a);
    CREATE TABLE public.refers_1 (a int CONSTRAINT "of its own" REFERENCES public.referred); CREATE TABLE public.refers_2 PARTITION OF public.refers FOR VALUES FROM (10) TO (20);
    ALTER TABLE public.refers ADD CONSTRAINT refers_fk FOREIGN KEY (a) REFERENCES public.referred; ALTER TABLE public.refers ATTACH PARTITION public.refers_1 FOR VALUES FROM (0) TO (10);
    ALTER TABLE public.referred DETACH PARTITION public.referred_1; ALTER TABLE public.referred ATTACH PARTITION public.referred_1 FOR VALUES FROM (0) TO (10);
    INSERT INTO public.referred VALUES (1), (11); INSERT INTO public.refers VALUES (1), (11);`,
  'how tables are stored': `
    CREATE TABLE public.stored (a text, b text COMPRESSION pglz, c int, d int NOT NULL) WITH (fillfactor = 60, autovacuum_enabled = off, toast.autovacuum_enabled = off);
    ALTER TABLE public.stored ALTER c SET STATISTICS 7, ALTER d SET (n_distinct = 5), REPLICA IDENTITY FULL; CREATE INDEX stored_up ON public.stored ((c + d)); ALTER INDEX public.stored_up ALTER COLUMN 1 SET STATISTICS 50;
    CREATE UNLOGGED TABLE public.fleeting_too (a int); CREATE UNIQUE INDEX by_d ON public.stored (d); ALTER TABLE public.stored REPLICA IDENTITY USING INDEX by_d;
    CREATE STATISTICS public.both_of (dependencies, ndistinct) ON c, d FROM public.stored; ALTER STATISTICS public.both_of SET STATISTICS 9; CREATE STATISTICS public.of_sum ON (c * 2) FROM public.stored;`,
  'constraints of every kind': `
    CREATE TABLE public.hen (id int PRIMARY KEY, egg int); CREATE TABLE public.egg (id int PRIMARY KEY, hen int REFERENCES public.hen DEFERRABLE);
    ALTER TABLE public.hen ADD FOREIGN KEY (egg) REFERENCES public.egg ON DELETE SET NULL NOT VALID; INSERT INTO public.hen VALUES (1, NULL); INSERT INTO public.egg VALUES (1, 1); UPDATE public.hen SET egg = 1;
    CREATE TABLE public.booked (during tsrange, EXCLUDE USING gist (during WITH &&), CONSTRAINT short CHECK (upper(during) - lower(during) < '1 day') NO INHERIT);
    INSERT INTO public.booked VALUES ('[2020-01-01 10:00,2020-01-01 11:00)'); ALTER TABLE public.booked ADD CONSTRAINT not_old CHECK (lower(during) > '2021-01-01') NOT VALID;
    CREATE TABLE public.nulls (a int, UNIQUE NULLS NOT DISTINCT (a) DEFERRABLE); CREATE DOMAIN public.small AS int DEFAULT 5 NOT NULL CHECK (VALUE < 10) CHECK (VALUE > 0); ALTER DOMAIN public.small ADD CONSTRAINT odd CHECK (VALUE % 2 = 1) NOT VALID;
    CREATE DOMAIN public.smaller AS public.small; CREATE TABLE public.sized (a public.smaller, b public.small[]); INSERT INTO public.sized VALUES (3, '{5}');`,
  'triggers, rules and policies, switched off and on': `
    CREATE TABLE public.watched (a int); CREATE FUNCTION public.noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER off BEFORE INSERT ON public.watched FOR EACH ROW EXECUTE FUNCTION public.noted('x', 'y'); ALTER TABLE public.watched DISABLE TRIGGER off; COMMENT ON TRIGGER off ON public.watched IS 'is off';
    CREATE CONSTRAINT TRIGGER later AFTER INSERT ON public.watched DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.noted();
    CREATE TRIGGER seen AFTER UPDATE ON public.watched REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION public.noted();
    CREATE RULE softly AS ON DELETE TO public.watched DO INSTEAD UPDATE public.watched SET a = 0 WHERE watched.a = old.a; ALTER TABLE public.watched DISABLE RULE softly;
    ALTER TABLE public.watched ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY mine ON public.watched AS RESTRICTIVE FOR UPDATE TO reader, writer USING (a > 0) WITH CHECK (a < 9);
    CREATE VIEW public.seen AS SELECT a FROM public.watched; CREATE TRIGGER instead INSTEAD OF INSERT ON public.seen FOR EACH ROW EXECUTE FUNCTION public.noted();
    INSERT INTO public.watched VALUES (1), (2);`,
  'views over views, and materialized ones': `
    CREATE TABLE public.base (a int PRIMARY KEY, b float8); INSERT INTO public.base SELECT i, i / 7.0 FROM generate_series(1, 50) i;
    CREATE VIEW public.one AS SELECT a, b FROM public.base; CREATE VIEW public.two WITH (security_barrier, check_option = local) AS SELECT a FROM public.one WHERE a > 5;
    CREATE VIEW public.grouped AS SELECT a, b, count(*) FROM public.base GROUP BY a; ALTER VIEW public.one ALTER COLUMN b SET DEFAULT 8; CREATE RECURSIVE VIEW public.counting (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM counting WHERE n < 5;
    CREATE MATERIALIZED VIEW public.kept WITH (fillfactor = 80) AS SELECT now() AS at, random() AS luck, sum(b) AS total FROM public.two JOIN public.one USING (a); CREATE UNIQUE INDEX ON public.kept (luck);
    CREATE MATERIALIZED VIEW public.of_kept AS SELECT total, at FROM public.kept; CREATE MATERIALIZED VIEW public.hollow_view AS SELECT 1 AS one WITH NO DATA; ALTER MATERIALIZED VIEW public.kept CLUSTER ON kept_luck_idx;
    CREATE VIEW public.on_kept AS SELECT * FROM public.of_kept;`,
  'types, operators and casts of its own': `
    CREATE TYPE public.mood AS ENUM ('sad', 'ok'); ALTER TYPE public.mood ADD VALUE 'Ünsure' BEFORE 'ok'; CREATE TYPE public.span AS RANGE (subtype = numeric, multirange_type_name = spans);
    CREATE FUNCTION public.evil(public.mood) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'somebody else''s code has run'; END $$; CREATE CAST (public.mood AS text) WITH FUNCTION public.evil(public.mood) AS IMPLICIT;
    CREATE TABLE public.felt (m public.mood PRIMARY KEY, s public.spans); INSERT INTO public.felt VALUES ('ok', '{[1,2)}');
    CREATE FUNCTION public.evil_row(public.felt) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'somebody else''s code has run'; END $$; CREATE CAST (public.felt AS text) WITH FUNCTION public.evil_row(public.felt) AS IMPLICIT;
    CREATE FUNCTION public.near(int, int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT abs($1 - $2) < 2'; CREATE OPERATOR public.~~~ (LEFTARG = int, RIGHTARG = int, FUNCTION = public.near, COMMUTATOR = OPERATOR(public.~~~), RESTRICT = eqsel);
    CREATE OPERATOR FAMILY public.backward USING btree; CREATE FUNCTION public.cmp(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $2 - $1';
    CREATE OPERATOR CLASS public.backward_ops FOR TYPE int USING btree FAMILY public.backward AS OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 public.cmp(int, int);
    CREATE TABLE public.ordered (a int); CREATE INDEX ON public.ordered (a public.backward_ops); INSERT INTO public.ordered VALUES (1), (2);
    CREATE COLLATION public.plain_c (provider = libc, locale = 'C'); CREATE CONVERSION public.conv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8; CREATE FUNCTION public.joins(text, text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1 || $2'; CREATE AGGREGATE public.cat (text) (SFUNC = public.joins, STYPE = text, INITCOND = '');`,
  'typed tables, identities and sequences': `
    CREATE TYPE public.shape AS (x int, y text); CREATE TABLE public.typed OF public.shape (x WITH OPTIONS PRIMARY KEY, y DEFAULT 'none'); INSERT INTO public.typed VALUES (1);
    CREATE TABLE public."Quote ""me""" ("Select" int GENERATED BY DEFAULT AS IDENTITY (INCREMENT -1 MINVALUE -100 CYCLE), "from" text DEFAULT 'it''s'); INSERT INTO public."Quote ""me""" ("from") VALUES ('x'), ('y');
    CREATE SEQUENCE public.alone AS smallint CACHE 5 START 3; SELECT nextval('public.alone'); CREATE UNLOGGED TABLE public.light (a bigserial);`,
  'foreign servers, publications and languages': `
    CREATE FOREIGN DATA WRAPPER dummy OPTIONS (debug 'true'); CREATE SERVER elsewhere TYPE 't' VERSION '1' FOREIGN DATA WRAPPER dummy OPTIONS (host 'h'); CREATE USER MAPPING FOR reader SERVER elsewhere OPTIONS (password 'secret word');
    CREATE FOREIGN TABLE public.afar (a int OPTIONS (n '1'), b text) SERVER elsewhere OPTIONS (path 'p'); GRANT USAGE ON FOREIGN SERVER elsewhere TO reader;
    CREATE TABLE public.told (a int PRIMARY KEY, b int); CREATE PUBLICATION news FOR TABLE public.told (a) WHERE (a > 1) WITH (publish = 'insert'); CREATE PUBLICATION whole FOR TABLES IN SCHEMA public;
    CREATE TEXT SEARCH DICTIONARY public.words (TEMPLATE = simple, accept = false); CREATE TEXT SEARCH CONFIGURATION public.search (COPY = english); ALTER TEXT SEARCH CONFIGURATION public.search ALTER MAPPING FOR asciiword WITH public.words, english_stem;
    CREATE FUNCTION public.mine_handler() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler'; CREATE LANGUAGE mine HANDLER public.mine_handler; CREATE ACCESS METHOD heap_too TYPE TABLE HANDLER heap_tableam_handler; CREATE TABLE public.in_heap_too (a int) USING heap_too; INSERT INTO public.in_heap_too VALUES (4);`,
  'rights, comments and defaults of rights': `
    CREATE SCHEMA "Own Schema" AUTHORIZATION writer; CREATE TABLE "Own Schema".t (a int, b int); ALTER TABLE "Own Schema".t OWNER TO writer; GRANT SELECT (a), UPDATE (b) ON "Own Schema".t TO reader WITH GRANT OPTION;
    CREATE FUNCTION "Own Schema".f(int, VARIADIC text[]) RETURNS void LANGUAGE sql AS ''; REVOKE ALL ON FUNCTION "Own Schema".f FROM PUBLIC; GRANT EXECUTE ON FUNCTION "Own Schema".f TO reader;
    CREATE TYPE "Own Schema".e AS ENUM ('a'); REVOKE USAGE ON TYPE "Own Schema".e FROM PUBLIC; CREATE SEQUENCE "Own Schema".s; GRANT USAGE ON SEQUENCE "Own Schema".s TO reader;
    ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC; ALTER DEFAULT PRIVILEGES FOR ROLE writer GRANT SELECT ON TABLES TO reader; ALTER DEFAULT PRIVILEGES FOR ROLE writer IN SCHEMA "Own Schema" GRANT USAGE ON TYPES TO reader;
    COMMENT ON SCHEMA "Own Schema" IS 'mine'; COMMENT ON FUNCTION "Own Schema".f IS E'two\\nlines'; COMMENT ON TYPE "Own Schema".e IS 'e'; COMMENT ON SEQUENCE "Own Schema".s IS 's'; COMMENT ON COLUMN "Own Schema".t.b IS 'b';
    CREATE FUNCTION "Own Schema".on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER noticing ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION "Own Schema".on_ddl(); ALTER EVENT TRIGGER noticing DISABLE; COMMENT ON EVENT TRIGGER noticing IS 'n';`,
};
