"""The reference's two statements: who is asking, and fifty rows with what a list shows at the least."""

REFERENCE_SESSION = """
SELECT m.organization_id
  FROM user_session s
  JOIN user_account u ON u.id = s.user_id
  JOIN membership m ON m.organization_id = s.organization_id AND m.user_id = s.user_id
 WHERE s.secret_hash = $1 AND s.revoked_at IS NULL AND u.disabled_at IS NULL AND s.expires_at > clock_timestamp()
"""

REFERENCE_LIST = """
SELECT a.id, a.name, a.state, k.name AS sku, n.name AS node, a.login, a.created_at::text AS created_at,
       p.nano_per_hour::text AS rate, '0.00' AS charged
  FROM allocation a
  JOIN sku k ON k.id = a.sku_id
  JOIN price p ON p.id = a.price_id
  LEFT JOIN node n ON n.id = a.node_id
 WHERE a.organization_id = $1
 ORDER BY a.created_at DESC
 LIMIT 50
"""
