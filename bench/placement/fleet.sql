-- A fleet and what is claimed of it, as many as asked: every fifth node has eight GPUs of one of four models, of which
-- five are claimed. The triggers that would keep counts for each row are left out; the counts are made once, at the end.
SET session_replication_role = replica;

INSERT INTO sku (id, code, name, vcpu, memory_mib, disk_gib, gpu_model, gpu_count)
SELECT 'sku_' || code, code, code, vcpu, memory_mib, 20, gpu_model, gpu_count
  FROM (SELECT 'cpu-' || n, n, n * 4096, NULL, 0 FROM unnest(ARRAY[1, 2, 4, 8, 16]) n
        UNION ALL
        SELECT 'gpu-' || model || '-' || n, n * 4, n * 32768, 'Model ' || model, n
          FROM unnest(ARRAY[1, 2, 4]) n, generate_series(0, 3) model) made(code, vcpu, memory_mib, gpu_model, gpu_count);

INSERT INTO node (id, kind, name, address, port, labels, state, host_public_key, inventory, capabilities,
                  limits_enforced, boot_id, last_seen_at, observed_at, fresh_until, disk_free_gib, inodes_free)
SELECT 'nd_' || translate(lpad(n::text, 16, 'a'), '0189', 'bcde'), 'ssh', 'node-' || n, 'node-' || n || '.example', 22,
       jsonb_build_object('zone', 'z' || n % 10), 'ready', 'ssh-ed25519 ' || n,
       jsonb_build_object('vcpu', 64, 'memory_mib', 262144, 'disk_gib', 2000, 'kernel', '6.1.0', 'os', 'Debian GNU/Linux 12',
                          'hostname', 'node-' || n, 'mode', 'systemd', 'clock_skew_seconds', 0.1),
       (SELECT jsonb_agg(jsonb_build_object('name', name, 'enforced', true, 'detail', 'shown by the kernel of this node'))
          FROM unnest(ARRAY['cpu', 'memory', 'tasks', 'devices', 'hidepid', 'private_tmp', 'network_deny']) name),
       true, 'boot-1', now(), now(), now() + interval '1 day', 1900, 10000000
  FROM generate_series(1, :nodes) n;

INSERT INTO gpu (uuid, node_id, model, memory_mib, state)
SELECT 'GPU-' || name || '-' || place, id, 'Model ' || substr(name, 6)::integer / 5 % 4, 24576, 'available'
  FROM node, generate_series(0, 7) place WHERE substr(name, 6)::integer % 5 = 0;

INSERT INTO node_room (node_id, ready, accepts_until, labels, limits_enforced, vcpu, memory_mib, disk_gib,
                       disk_allowed_gib)
SELECT node_id, state = 'ready', accepts_until, labels, limits_enforced, vcpu, memory_mib, disk_gib, disk_gib
  FROM node_capacity;

-- Its index is made faster at once than row by row.
ALTER TABLE claim DROP CONSTRAINT claimed_once;
INSERT INTO claim (id, subject_id, node_id, sku_id, vcpu, memory_mib, disk_gib, gpu_count, during)
SELECT 'clm_' || name || '-' || place, 'al_' || name || '-' || place, id, 'sku_cpu-1', size, size * 4096, 20,
       (substr(name, 6)::integer % 5 = 0 AND place <= 5)::integer, tstzrange(now() - interval '1 hour', NULL)
  FROM (SELECT node.*, place, 1 + (substr(name, 6)::integer * 7 + place * 13) % 8 AS size
          FROM node, generate_series(1, :claims / :nodes) place) made;

ALTER TABLE claim ADD CONSTRAINT claimed_once :claimed_once;

INSERT INTO gpu_claim (claim_id, gpu_uuid, during)
SELECT id, 'GPU-' || substr(id, 5), during FROM claim WHERE gpu_count > 0;

SET session_replication_role = origin;
ANALYZE node, gpu, node_room, claim, gpu_claim;
SELECT count(node_recount(node_id)) FROM node_room;
VACUUM ANALYZE node, gpu, node_room, gpu_room, claim, gpu_claim, sku;
