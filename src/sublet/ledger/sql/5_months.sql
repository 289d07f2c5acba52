-- Part of the ledger: see 1_guards.sql.

-- Months of the books. Their edges are midnight of the first in the time zone of the legal entity.

CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.month_close
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.month_total
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.correction
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE OR REPLACE TRIGGER stays BEFORE DELETE OR TRUNCATE ON ledger.calendar
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

-- Says in which time zone months end, and returns the one that holds: another than before while there are no entries.
CREATE OR REPLACE FUNCTION ledger.keep_calendar(_time_zone text)
RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
  kept text;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_timezone_names WHERE name = _time_zone) THEN
    RAISE EXCEPTION 'there is no time zone %', _time_zone USING ERRCODE = 'SL006';
  END IF;
  SELECT time_zone INTO kept FROM calendar;
  IF kept = _time_zone THEN
    RETURN kept;
  END IF;
  LOCK TABLE ledger_entry IN SHARE ROW EXCLUSIVE MODE;
  INSERT INTO calendar (time_zone) VALUES (_time_zone) ON CONFLICT (only_row) DO UPDATE
    SET time_zone = excluded.time_zone WHERE NOT EXISTS (SELECT FROM ledger_entry);
  RETURN (SELECT time_zone FROM calendar);
END $$;

CREATE OR REPLACE FUNCTION ledger.month_of(_at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT to_char(_at AT TIME ZONE time_zone, 'YYYY-MM') FROM ledger.calendar
$$;

CREATE OR REPLACE FUNCTION ledger.month_starts(_month text) RETURNS timestamptz LANGUAGE sql STABLE AS $$
  SELECT to_date(_month, 'YYYY-MM')::timestamp AT TIME ZONE time_zone FROM ledger.calendar
$$;

CREATE OR REPLACE FUNCTION ledger.month_ends(_month text) RETURNS timestamptz LANGUAGE sql STABLE AS $$
  SELECT (to_date(_month, 'YYYY-MM') + interval '1 month')::timestamp AT TIME ZONE time_zone FROM ledger.calendar
$$;

-- What was posted from one time until another, by the entries' own times: for each kind of account and currency.
CREATE OR REPLACE FUNCTION ledger.moved_between(_from timestamptz, _until timestamptz)
RETURNS TABLE (kind ledger.account_kind, currency text, debits numeric, credits numeric) LANGUAGE sql STABLE AS $$
  SELECT a.kind, a.currency, coalesce(-sum(p.amount) FILTER (WHERE p.amount < 0), 0),
         coalesce(sum(p.amount) FILTER (WHERE p.amount > 0), 0)
    FROM ledger.ledger_entry e
    JOIN ledger.posting p ON p.entry_id = e.id
    JOIN ledger.account a ON a.id = p.account_id
   WHERE e.effective_at >= _from AND e.effective_at < _until
   GROUP BY a.kind, a.currency
$$;

-- Ends a month for good: nothing is posted into it any more, nor into any before it. Waits for whoever is posting.
CREATE OR REPLACE FUNCTION ledger.close_month(_month text, _by text)
RETURNS timestamptz LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
  last month_close; starts timestamptz := month_starts(_month); ends timestamptz := month_ends(_month);
BEGIN
  IF starts IS NULL THEN
    RAISE EXCEPTION 'the books have no calendar' USING ERRCODE = 'SL006';
  END IF;
  LOCK TABLE ledger_entry IN SHARE ROW EXCLUSIVE MODE;
  SELECT * INTO last FROM month_close ORDER BY ends_at DESC LIMIT 1;
  IF ends > clock_timestamp() THEN
    RAISE EXCEPTION '% is not over', _month USING ERRCODE = 'SL008';
  END IF;
  IF starts < last.ends_at THEN
    RAISE EXCEPTION '% is closed', _month USING ERRCODE = 'SL008';
  END IF;
  IF starts > last.ends_at THEN
    RAISE EXCEPTION 'the month after % is not closed', last.month USING ERRCODE = 'SL008';
  END IF;
  INSERT INTO month_close (month, starts_at, ends_at, closed_by) VALUES (_month, starts, ends, _by);
  INSERT INTO month_total (month, kind, currency, opening, debits, credits)
  SELECT _month, kind, currency, coalesce(o.opening, 0), coalesce(m.debits, 0), coalesce(m.credits, 0)
    FROM (SELECT t.kind, t.currency, t.opening + t.credits - t.debits AS opening
            FROM month_total t WHERE t.month = last.month
          UNION ALL
          SELECT b.kind, b.currency, b.credits - b.debits
            FROM moved_between('-infinity', starts) b WHERE last.month IS NULL) o
    FULL JOIN moved_between(starts, ends) m USING (kind, currency);
  RETURN ends;
END $$;

-- Says that an entry of an open month is about a closed one; the same again changes nothing.
CREATE OR REPLACE FUNCTION ledger.name_corrected(_entry bigint, _month text)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
  named text;
BEGIN
  SELECT month INTO named FROM correction WHERE entry_id = _entry;
  IF named IS NULL AND EXISTS (SELECT FROM ledger_entry e JOIN month_close c ON c.month = _month
                                WHERE e.id = _entry AND e.effective_at >= c.ends_at) THEN
    INSERT INTO correction (entry_id, month) VALUES (_entry, _month);
    RETURN _entry;
  END IF;
  IF named IS DISTINCT FROM _month THEN
    RAISE EXCEPTION 'entry % corrects nothing in %', _entry, _month USING ERRCODE = 'SL006';
  END IF;
  RETURN _entry;
END $$;

-- Closed months of which the entries add up to something else by now.
CREATE OR REPLACE VIEW ledger.changed_month AS
  SELECT c.month, now.currency, now.kind::text AS kind, now.closed_with, now.posted
    FROM ledger.month_close c
   CROSS JOIN LATERAL (
     SELECT kind, currency, coalesce(t.credits - t.debits, 0) AS closed_with, coalesce(m.credits - m.debits, 0) AS posted,
            (coalesce(t.debits, 0), coalesce(t.credits, 0)) = (coalesce(m.debits, 0), coalesce(m.credits, 0)) AS same
       FROM (SELECT kind, currency, debits, credits FROM ledger.month_total WHERE month = c.month) t
       FULL JOIN ledger.moved_between(c.starts_at, c.ends_at) m USING (kind, currency)) now
   WHERE NOT now.same;

CREATE OR REPLACE VIEW ledger.month AS
  SELECT month, starts_at, ends_at, closed_at, closed_by FROM ledger.month_close;
COMMENT ON VIEW ledger.month IS 'Published: the months that are closed, with their edges.';

CREATE OR REPLACE VIEW ledger.books_calendar AS SELECT time_zone FROM ledger.calendar;
COMMENT ON VIEW ledger.books_calendar IS 'Published: the time zone in which months begin and end; one row.';

CREATE OR REPLACE VIEW ledger.present_month AS
  SELECT m.month, ledger.month_starts(m.month) AS starts_at, ledger.month_ends(m.month) AS ends_at
    FROM (SELECT ledger.month_of(clock_timestamp()) AS month) m;
COMMENT ON VIEW ledger.present_month IS
  'Published: the month that it is where the legal entity is, with its edges; one row, of NULLs where the books have no calendar.';

CREATE OR REPLACE VIEW ledger.usage_entry AS
  SELECT e.id AS entry_id, e.effective_at, 1 AS times FROM ledger.ledger_entry e
   WHERE e.kind IN ('usage', 'usage_batch')
  UNION ALL
  SELECT r.reverses_entry_id, r.effective_at, -1 FROM ledger.ledger_entry r
    JOIN ledger.ledger_entry e ON e.id = r.reverses_entry_id AND e.kind IN ('usage', 'usage_batch')
   WHERE r.kind = 'reversal';
COMMENT ON VIEW ledger.usage_entry IS
  'Published: when each entry of usage counts (times 1), and when what was charged by it was taken back (times -1).';
