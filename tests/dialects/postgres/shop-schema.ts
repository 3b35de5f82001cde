/** A small shop that uses nearly every construct which PostgreSQL 15 and 18 share, with rows in it. */
export const shopSchema = `
CREATE SCHEMA shop;
CREATE TYPE shop.state AS ENUM ('new', 'paid', 'sent');
CREATE DOMAIN shop.price AS numeric(10, 2) DEFAULT 0 CHECK (VALUE >= 0);
CREATE TYPE shop.address AS (street text, zip char(5));
CREATE TYPE shop.span AS RANGE (subtype = float8);
CREATE SEQUENCE shop.tickets AS integer INCREMENT 5 START 100 MAXVALUE 100000 CYCLE;
CREATE TABLE shop.customers (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL COLLATE "C", home shop.address, born date, seen timestamptz);
CREATE TABLE shop.orders (
  id bigserial PRIMARY KEY, customer integer NOT NULL REFERENCES shop.customers ON DELETE CASCADE DEFERRABLE, state shop.state NOT NULL DEFAULT 'new',
  total shop.price, tags text[] DEFAULT '{}', note jsonb, ratio double precision, twice numeric GENERATED ALWAYS AS (total * 2) STORED,
  CONSTRAINT sane CHECK (total < 100000));
CREATE INDEX orders_by_state ON shop.orders (state, lower(note->>'who')) WHERE total > 10;
CREATE TABLE shop.log (line text, at interval);
CREATE TABLE shop.events (at date NOT NULL, kind text, data bytea, PRIMARY KEY (at, kind)) PARTITION BY RANGE (at);
CREATE TABLE shop.events_old PARTITION OF shop.events FOR VALUES FROM (MINVALUE) TO ('2024-01-01');
CREATE TABLE shop.events_new PARTITION OF shop.events DEFAULT;
CREATE TABLE shop.big_customers (discount integer DEFAULT 5) INHERITS (shop.customers);
CREATE TABLE shop."Odd ""Name" ("t" integer, "!row" text COLLATE "C", UNIQUE ("t"));
CREATE VIEW shop.open_orders WITH (security_barrier) AS SELECT o.id, o.total FROM shop.orders o WHERE o.state = 'new';
CREATE VIEW shop.totals AS SELECT c.name, sum(o.total) AS total FROM shop.customers c JOIN shop.orders o ON o.customer = c.id GROUP BY c.name;
CREATE MATERIALIZED VIEW shop.summary AS SELECT count(*) AS orders FROM shop.orders;
CREATE UNIQUE INDEX ON shop.summary (orders);
CREATE FUNCTION shop.twice(n integer) RETURNS integer LANGUAGE plpgsql STABLE AS $f$
BEGIN
  -- doubles it
  RETURN n * 2;
END $f$;
CREATE FUNCTION shop.open_count() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(orders.id) FROM shop.orders WHERE orders.state = 'new'; END;
CREATE PROCEDURE shop.tidy(IN days integer) LANGUAGE sql SECURITY DEFINER SET search_path = shop AS 'DELETE FROM shop.log';
CREATE AGGREGATE shop.product(numeric) (SFUNC = numeric_mul, STYPE = numeric, INITCOND = '1');
CREATE FUNCTION shop.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.seen := now(); RETURN NEW; END';
CREATE TRIGGER touch BEFORE UPDATE ON shop.customers FOR EACH ROW WHEN (old.name IS DISTINCT FROM new.name) EXECUTE FUNCTION shop.touch();
CREATE TRIGGER touch_events BEFORE UPDATE ON shop.events FOR EACH ROW EXECUTE FUNCTION shop.touch();
CREATE RULE quiet AS ON DELETE TO shop.log DO ALSO NOTIFY cleaned;
ALTER TABLE shop.log ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_lines ON shop.log FOR SELECT TO reader USING (EXISTS (SELECT 1 FROM shop.customers c WHERE c.name = log.line));
GRANT SELECT ON shop.orders TO reader;
GRANT ALL ON shop.customers TO reader;
GRANT UPDATE (line) ON shop.log TO reader;
GRANT USAGE ON SCHEMA shop TO reader, PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT SELECT ON TABLES TO reader;
CREATE OPERATOR shop.=== (LEFTARG = integer, RIGHTARG = integer, FUNCTION = int4eq);
CREATE CAST (shop.state AS integer) WITH INOUT;
CREATE TEXT SEARCH CONFIGURATION shop.plain (COPY = simple);
CREATE STATISTICS shop.related ON customer, state FROM shop.orders;
COMMENT ON TABLE shop.orders IS 'orders';

INSERT INTO shop.customers (name, home, born) SELECT 'customer ' || i, format('("street %s",12345)', i)::shop.address, DATE '1970-01-01' + i FROM generate_series(1, 50) i;
INSERT INTO shop.orders (customer, total, tags, note, ratio)
  SELECT 1 + i % 50, i, ARRAY['a', NULL, 'b,"c'], jsonb_build_object('who', 'W' || i), i / 3.0 FROM generate_series(1, 200) i;
INSERT INTO shop.log VALUES ('again', '1 day'), ('again', '1 day'), ('again', '1 day'), (NULL, NULL), ('', '-2 mons 3:04');
INSERT INTO shop.events SELECT DATE '2023-12-01' + i, 'kind', decode(md5(i::text), 'hex') FROM generate_series(1, 60) i;
INSERT INTO shop.big_customers (id, name) VALUES (1, 'big');
INSERT INTO shop."Odd ""Name" VALUES (1, 'one');
SELECT nextval('shop.tickets');
REFRESH MATERIALIZED VIEW shop.summary;
`;

/** What belongs to the server and not to the database. */
export const shopRoles = 'CREATE ROLE reader; CREATE ROLE writer;';
