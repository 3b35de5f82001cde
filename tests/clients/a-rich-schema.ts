/** A database with something of everything that a dump carries, and rows that are the same whenever it is made. */

export const richSchema = String.raw`
CREATE SCHEMA shop;
CREATE SCHEMA "Odd Name";
CREATE TYPE shop.mood AS ENUM ('sad', 'so so', 'happy');
CREATE TYPE shop.pair AS (a int, b text);
CREATE TYPE shop.span AS RANGE (subtype = float8);
CREATE DOMAIN shop.positive AS int CHECK (VALUE > 0);
CREATE SEQUENCE shop.steps START 100 INCREMENT 5;
CREATE COLLATION shop.bytes (locale = 'C');
CREATE FUNCTION shop.twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
CREATE PROCEDURE shop.nothing() LANGUAGE plpgsql AS $$ BEGIN PERFORM 1; END $$;
CREATE AGGREGATE shop.total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE OPERATOR shop.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq);
CREATE TEXT SEARCH CONFIGURATION shop.plain (COPY = simple);
CREATE TABLE shop.author (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE, mood shop.mood DEFAULT 'so so',
  extra jsonb, made timestamptz DEFAULT '2020-01-01 00:00+00');
CREATE TABLE shop.book (
  id serial PRIMARY KEY, author_id int REFERENCES shop.author ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  title varchar(80), price numeric(10, 2), tags text[], pair shop.pair, n shop.positive,
  loud text GENERATED ALWAYS AS (title || '!') STORED, b bytea, r int4range, s shop.span,
  EXCLUDE USING gist (r WITH &&));
CREATE INDEX ON shop.book USING gin (tags);
CREATE INDEX ON shop.book (lower(title)) WHERE price > 10;
CREATE STATISTICS shop.related ON title, price FROM shop.book;
CREATE TABLE shop.log (id bigserial, at timestamptz NOT NULL, what text) PARTITION BY RANGE (at);
CREATE TABLE shop.log_2020 PARTITION OF shop.log FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE shop.log_other PARTITION OF shop.log DEFAULT;
CREATE TABLE shop.parent (x int);
CREATE TABLE shop.child (y int) INHERITS (shop.parent);
CREATE TABLE shop.keyless (a int, b float8);
CREATE UNLOGGED TABLE shop.unlogged (x int);
CREATE TABLE "Odd Name"."Table ""x""" ("Col 1" int PRIMARY KEY, "select" text);
CREATE FUNCTION shop.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.made := OLD.made; RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE UPDATE ON shop.author FOR EACH ROW EXECUTE FUNCTION shop.touch();
CREATE RULE stay AS ON DELETE TO shop.parent DO INSTEAD NOTHING;
CREATE VIEW shop.titles AS SELECT a.name, b.title FROM shop.author a JOIN shop.book b ON b.author_id = a.id;
CREATE MATERIALIZED VIEW shop.counts AS SELECT author_id, count(*) AS n FROM shop.book GROUP BY 1;
CREATE UNIQUE INDEX ON shop.counts (author_id);
ALTER TABLE shop.author ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_of_them ON shop.author USING (true);
COMMENT ON TABLE shop.book IS 'it''s a table';
COMMENT ON COLUMN shop.book.title IS 'of the book';
GRANT SELECT ON shop.titles TO PUBLIC;
INSERT INTO shop.author (name, mood, extra)
  SELECT 'author ' || i, (ARRAY['sad', 'happy'])[1 + i % 2]::shop.mood, jsonb_build_object('i', i) FROM generate_series(1, 50) i;
INSERT INTO shop.book (author_id, title, price, tags, pair, n, b, r, s)
  SELECT 1 + i % 50, 'title ' || i, i * 0.37, ARRAY['t' || i % 7, NULL], ROW(i, 'p')::shop.pair, i,
         decode(md5(i::text), 'hex'), int4range(i, i + 1), shop.span(i, i + 0.5) FROM generate_series(1, 500) i;
INSERT INTO shop.log (at, what) SELECT '2020-06-01 00:00+00'::timestamptz + i * interval '1 day', repeat('w', i) FROM generate_series(1, 400) i;
INSERT INTO shop.parent VALUES (1);
INSERT INTO shop.child VALUES (2, 3);
INSERT INTO shop.keyless SELECT i, i / 3.0 FROM generate_series(1, 20) i;
INSERT INTO shop.keyless VALUES (1, 1), (1, 1), (2, 'NaN'), (3, '-Infinity'), (4, 1e-300), (5, NULL);
INSERT INTO "Odd Name"."Table ""x""" VALUES (1, E'tab\there\\ back\nand on'), (2, NULL), (3, U&'\00e9\2603');
SELECT nextval('shop.steps'), nextval('shop.steps');
REFRESH MATERIALIZED VIEW shop.counts;
`;
