-- Allocations as many as asked, each a copy of one that runs: a third run, one in a hundred failed, the others are over.
-- Every fifth is the one customer's, the others are those of a thousand organizations.
SET session_replication_role = replica;

CREATE TEMPORARY TABLE place AS SELECT id, row_number() OVER (ORDER BY name) - 1 AS number FROM node WHERE name LIKE 'node-%';

INSERT INTO organization (id, name) SELECT 'org_' || lpad(n::text, 16, 'x'), 'Organization ' || n FROM generate_series(1, 1000) n;

INSERT INTO allocation OVERRIDING SYSTEM VALUE
SELECT (jsonb_populate_record(a, jsonb_build_object(
         'seq', 1000000 + n, 'id', 'al_' || translate(lpad(n::text, 16, 'a'), '0189', 'bcde'),
         'organization_id', CASE WHEN n % 5 = 0 THEN a.organization_id ELSE 'org_' || lpad((1 + n % 1000)::text, 16, 'x') END,
         'name', 'a' || n, 'node_id', place.id, 'login', 'al-' || n, 'uid', 300000 + n, 'hold_id', 1000000 + n,
         'created_at', clock_timestamp() - n * interval '1 minute',
         'state', CASE WHEN n % 100 = 7 THEN 'failed' WHEN n % 3 = 0 THEN 'active' ELSE 'released' END,
         'on_node', n % 3 = 0 AND n % 100 <> 7, 'wanted', CASE WHEN n % 3 = 0 AND n % 100 <> 7 THEN 'active' ELSE 'gone' END,
         'release_requested_at', CASE WHEN n % 3 = 0 AND n % 100 <> 7 THEN NULL ELSE clock_timestamp() END,
         'ended_at', CASE WHEN n % 3 = 0 AND n % 100 <> 7 THEN NULL ELSE clock_timestamp() - n * interval '30 seconds' END
       ))).*
  FROM allocation a, generate_series(1, :allocations) n JOIN place ON place.number = n % :nodes;

INSERT INTO meter
SELECT (jsonb_populate_record(m, jsonb_build_object(
         'subject_id', a.id, 'subject_name', a.name, 'organization_id', a.organization_id, 'hold_id', a.hold_id,
         'stopped_at', a.ended_at, 'started_at', a.created_at, 'observed_to', clock_timestamp(), 'settled', a.ended_at IS NOT NULL
       ))).*
  FROM meter m JOIN allocation a ON a.seq > 1000000;

INSERT INTO allocation_label (allocation_id, organization_id, key, value)
SELECT id, organization_id, 'team', 'team-' || seq % 50 FROM allocation WHERE seq > 1000000 AND seq % 2 = 0;

INSERT INTO finding (id, code, subject_type, subject_id, severity, amounts, detail, until)
SELECT 'fnd_' || n, 'test.odd', 'allocation', 'al_' || n, 'warning', '{}', '{}', CASE WHEN n % 10 > 0 THEN now() + interval '1 h' END
  FROM generate_series(1, :nodes) n;

SET session_replication_role = origin;
VACUUM ANALYZE;
