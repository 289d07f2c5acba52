"""Core: books besides the ledger, whose rows are sealed in ranges as its entries are."""

from sublet.migrations.script import execute_script

revision = "0061_core"
down_revision = "0060_allocations"

TABLES = """
-- A book: rows that never change, each with an id of a sequence, and the view that says what of each is sealed.
CREATE TABLE sealed_book (
  name     text PRIMARY KEY CHECK (name ~ '^[a-z_]+$'),
  sequence text NOT NULL UNIQUE,
  content  text NOT NULL UNIQUE
);
GRANT SELECT ON sealed_book TO sublet_app;

CREATE TABLE book_seal (
  book      text NOT NULL REFERENCES sealed_book,
  from_id   bigint NOT NULL,
  to_id     bigint NOT NULL CHECK (to_id >= from_id),
  prev_hash bytea NOT NULL,
  hash      bytea NOT NULL,
  sealed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (book, from_id),
  UNIQUE (book, to_id)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON book_seal
  FOR EACH STATEMENT EXECUTE FUNCTION sublet_refuse_change();
GRANT SELECT ON book_seal TO sublet_app;

-- Up to which id a book was seen, and the transaction id that was drawn after that.
CREATE TABLE book_seal_mark (
  book  text PRIMARY KEY REFERENCES sealed_book,
  up_to bigint NOT NULL,
  bound xid8 NOT NULL
);
GRANT SELECT ON book_seal_mark TO sublet_app;

-- Before a row of a book draws its id, its transaction has drawn its own: see sublet_seal_book.
CREATE FUNCTION sublet_draw_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_current_xact_id();
  RETURN NULL;
END $$;

-- Rows of `_rows` become a book: `_content` is a view with their `id` and, as text[], their `parts`.
CREATE FUNCTION sublet_keep_book(_name text, _rows text, _sequence text, _content text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE TRIGGER draws_transaction BEFORE INSERT ON %I FOR EACH STATEMENT
                  EXECUTE FUNCTION sublet_draw_transaction()', _rows);
  INSERT INTO sealed_book (name, sequence, content) VALUES (_name, _sequence, _content);
END $$;
REVOKE ALL ON FUNCTION sublet_keep_book FROM PUBLIC;

CREATE FUNCTION sublet_book_hash(_book text, _prev bytea, _from bigint, _to bigint) RETURNS bytea
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  hash bytea;
BEGIN
  EXECUTE format(
    'SELECT sha256($1 || int8send($2) || int8send($3) || coalesce(
              string_agg(sha256(convert_to(parts::text, ''UTF8'')), ''''::bytea ORDER BY id), ''''))
       FROM %I WHERE id BETWEEN $2 AND $3', (SELECT content FROM sealed_book WHERE name = _book))
    INTO hash USING _prev, _from, _to;
  RETURN hash;
END $$;

-- As ledger.seal_ranges: seals what has become final since the last call, in a transaction of its own. An id is final
-- when every transaction that could have drawn it or a lower one has ended: those drew their transaction id before
-- `up_to` was read, so they are older than `bound`, which is drawn after it.
-- A call seals so many ranges at most: a backlog is worked off by further calls, under the same mark.
CREATE FUNCTION sublet_seal_book(_book text, _rows_each int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  known sealed_book; top bigint; mark book_seal_mark; last_seal book_seal;
  sealed bigint := 0; first_id bigint; last_id bigint; prev bytea;
  most CONSTANT int := 200;
BEGIN
  IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
    RAISE EXCEPTION 'sealing needs a transaction of its own' USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('book.seal ' || _book, 0));
  SELECT * INTO STRICT known FROM sealed_book WHERE name = _book;
  EXECUTE format('SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM %I', known.sequence) INTO top;
  SELECT * INTO mark FROM book_seal_mark WHERE book = _book;
  SELECT * INTO last_seal FROM book_seal WHERE book = _book ORDER BY from_id DESC LIMIT 1;
  last_id := coalesce(last_seal.to_id, 0);
  prev := coalesce(last_seal.hash, '\\x00');
  IF mark.bound <= pg_snapshot_xmin(pg_current_snapshot()) THEN
    LOOP
      first_id := last_id + 1;
      EXECUTE format('SELECT max(id) FROM (SELECT id FROM %I WHERE id BETWEEN $1 AND $2 ORDER BY id LIMIT $3) range',
                     known.content)
        INTO last_id USING first_id, mark.up_to, _rows_each;
      EXIT WHEN last_id IS NULL;
      INSERT INTO book_seal (book, from_id, to_id, prev_hash, hash)
      VALUES (_book, first_id, last_id, prev, sublet_book_hash(_book, prev, first_id, last_id))
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
    INSERT INTO book_seal_mark (book, up_to, bound) VALUES (_book, top, pg_current_xact_id())
    ON CONFLICT (book) DO UPDATE SET up_to = excluded.up_to, bound = excluded.bound;
  END IF;
  RETURN sealed;
END $$;

CREATE VIEW broken_book_seal AS
  SELECT book, from_id, to_id FROM (
    SELECT s.*, lag(hash) OVER w AS before_hash, lag(to_id) OVER w AS before_to
      FROM book_seal s WINDOW w AS (PARTITION BY book ORDER BY from_id)) s
   WHERE prev_hash <> coalesce(before_hash, '\\x00') OR from_id <> coalesce(before_to, 0) + 1
      OR hash <> sublet_book_hash(book, prev_hash, from_id, to_id);
GRANT SELECT ON broken_book_seal TO sublet_app;
"""


def upgrade() -> None:
    """Let rows be sealed."""
    execute_script(TABLES)
