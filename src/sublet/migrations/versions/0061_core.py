"""Core: registers, whose rows are sealed in ranges as its entries are."""

from sublet.migrations.script import execute_script

revision = "0061_core"
down_revision = "0060_allocations"

TABLES = """
-- A register: rows that never change, each with an id of a sequence, and the view that says what of each is sealed.
CREATE TABLE sealed_register (
  name     text PRIMARY KEY CHECK (name ~ '^[a-z_]+$'),
  sequence text NOT NULL UNIQUE,
  content  text NOT NULL UNIQUE
);
GRANT SELECT ON sealed_register TO sublet_app;

CREATE TABLE register_seal (
  register  text NOT NULL REFERENCES sealed_register,
  from_id   bigint NOT NULL,
  to_id     bigint NOT NULL CHECK (to_id >= from_id),
  prev_hash bytea NOT NULL,
  hash      bytea NOT NULL,
  sealed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (register, from_id),
  UNIQUE (register, to_id)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON register_seal
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
GRANT SELECT ON register_seal TO sublet_app;

-- Up to which id a register was seen, and the transaction id that was drawn after that.
CREATE TABLE register_seal_mark (
  register text PRIMARY KEY REFERENCES sealed_register,
  up_to    bigint NOT NULL,
  bound    xid8 NOT NULL
);
GRANT SELECT ON register_seal_mark TO sublet_app;

-- Before a row of a register draws its id, its transaction has drawn its own: see sublet_seal_register.
CREATE FUNCTION sublet_draw_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_current_xact_id();
  RETURN NULL;
END $$;

-- Rows of `_rows` become a register: `_content` is a view with their `id` and, as text[], their `parts`.
CREATE FUNCTION sublet_keep_register(_name text, _rows text, _sequence text, _content text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE TRIGGER draws_transaction BEFORE INSERT ON %s FOR EACH STATEMENT
                  EXECUTE FUNCTION sublet_draw_transaction()', _rows::regclass);
  INSERT INTO sealed_register (name, sequence, content) VALUES (_name, _sequence, _content);
END $$;
REVOKE ALL ON FUNCTION sublet_keep_register FROM PUBLIC;

CREATE FUNCTION sublet_register_hash(_register text, _prev bytea, _from bigint, _to bigint) RETURNS bytea
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  hash bytea;
BEGIN
  EXECUTE format(
    'SELECT sha256($1 || int8send($2) || int8send($3) || coalesce(
              string_agg(sha256(convert_to(parts::text, ''UTF8'')), ''''::bytea ORDER BY id), ''''))
       FROM %I WHERE id BETWEEN $2 AND $3', (SELECT content FROM sealed_register WHERE name = _register))
    INTO hash USING _prev, _from, _to;
  RETURN hash;
END $$;

-- As ledger.seal_ranges: seals what has become final since the last call, in a transaction of its own. An id is final
-- when every transaction that could have drawn it or a lower one has ended: those drew their transaction id before
-- `up_to` was read, so they are older than `bound`, which is drawn after it.
-- A call seals so many ranges at most: a backlog is worked off by further calls, under the same mark.
CREATE FUNCTION sublet_seal_register(_register text, _rows_each int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  known sealed_register; top bigint; mark register_seal_mark; last_seal register_seal;
  sealed bigint := 0; first_id bigint; last_id bigint; prev bytea;
  most CONSTANT int := 200;
BEGIN
  IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
    RAISE EXCEPTION 'sealing needs a transaction of its own' USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('register.seal ' || _register, 0));
  SELECT * INTO STRICT known FROM sealed_register WHERE name = _register;
  EXECUTE format('SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM %s', known.sequence::regclass) INTO top;
  SELECT * INTO mark FROM register_seal_mark WHERE register = _register;
  SELECT * INTO last_seal FROM register_seal WHERE register = _register ORDER BY from_id DESC LIMIT 1;
  last_id := coalesce(last_seal.to_id, 0);
  prev := coalesce(last_seal.hash, '\\x00');
  IF mark.bound <= pg_snapshot_xmin(pg_current_snapshot()) THEN
    LOOP
      first_id := last_id + 1;
      EXECUTE format('SELECT max(id) FROM (SELECT id FROM %I WHERE id BETWEEN $1 AND $2 ORDER BY id LIMIT $3) range',
                     known.content)
        INTO last_id USING first_id, mark.up_to, _rows_each;
      EXIT WHEN last_id IS NULL;
      INSERT INTO register_seal (register, from_id, to_id, prev_hash, hash)
      VALUES (_register, first_id, last_id, prev, sublet_register_hash(_register, prev, first_id, last_id))
      RETURNING hash INTO prev;
      sealed := sealed + 1;
      IF sealed = most THEN
        RETURN sealed;
      END IF;
    END LOOP;
  ELSIF mark.bound <= pg_current_xact_id() THEN
    RETURN 0;  -- still waiting for somebody; a bound from the future came with a dump and is replaced
  END IF;
  IF top > coalesce(mark.up_to, 0) OR mark.bound > pg_current_xact_id() THEN
    INSERT INTO register_seal_mark (register, up_to, bound) VALUES (_register, top, pg_current_xact_id())
    ON CONFLICT (register) DO UPDATE SET up_to = excluded.up_to, bound = excluded.bound;
  END IF;
  RETURN sealed;
END $$;

-- Rows whose id the register's sequence never gave, so that no seal will ever reach them: the lowest and the highest.
CREATE FUNCTION sublet_stray_rows(OUT register text, OUT first_id bigint, OUT last_id bigint) RETURNS SETOF record
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  known sealed_register; top bigint;
BEGIN
  FOR known IN SELECT * FROM sealed_register ORDER BY name LOOP
    EXECUTE format('SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM %s', known.sequence::regclass) INTO top;
    EXECUTE format('SELECT min(id), max(id) FROM %I WHERE id < 1 OR id > $1', known.content)
      INTO first_id, last_id USING top;
    IF first_id IS NOT NULL THEN
      register := known.name;
      RETURN NEXT;
    END IF;
  END LOOP;
END $$;
REVOKE ALL ON FUNCTION sublet_stray_rows FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sublet_stray_rows TO sublet_app;

CREATE VIEW broken_register_seal AS
  SELECT register, from_id, to_id FROM (
    SELECT s.*, lag(hash) OVER w AS before_hash, lag(to_id) OVER w AS before_to
      FROM register_seal s WINDOW w AS (PARTITION BY register ORDER BY from_id)) s
   WHERE prev_hash <> coalesce(before_hash, '\\x00') OR from_id <> coalesce(before_to, 0) + 1
      OR hash <> sublet_register_hash(register, prev_hash, from_id, to_id);
GRANT SELECT ON broken_register_seal TO sublet_app;
"""


def upgrade() -> None:
    """Let rows be sealed."""
    execute_script(TABLES)
