-- A metered subject for each hold of the ledger's own measurement, running for half an hour, seen until now, and due.
INSERT INTO meter (subject_id, meter_kind, sku_id, organization_id, hold_id, currency, price_id, nano_per_hour,
                   suspended_nano_per_hour, started_at, observed_to, settle_due_at)
SELECT 'al_' || id, 'compute', 'sku_1', subject_id, id, 'USD', 'prc_1', 360000000, 36000000,
       now() - interval '30 minutes', now(), now()
  FROM ledger.hold;
INSERT INTO meter_segment (subject_id, period, kind, price_id, nano_per_hour, metered_to, posted_to)
SELECT subject_id, tstzrange(started_at, NULL), kind, price_id, nano_per_hour, started_at, started_at FROM meter;
