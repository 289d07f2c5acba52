"""Users, organizations, members, sessions, API tokens, SSH keys and throttles."""

from sublet.migrations.script import execute_script

revision = "0003_identity"
down_revision = "0002_audit"

PEOPLE = """
CREATE TABLE user_account (
  id             text PRIMARY KEY,
  email          text NOT NULL CHECK (email ~ '^[^@[:space:]]+@[^@[:space:]]+$' AND length(email) <= 254),
  name           text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  password_hash  text NOT NULL CHECK (password_hash LIKE '$argon2id$%'),
  platform_roles text[] NOT NULL DEFAULT '{}'
                 CHECK (platform_roles <@ ARRAY['fleet', 'finance', 'support', 'admin']),
  created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  disabled_at    timestamptz
);
CREATE UNIQUE INDEX user_account_email ON user_account (lower(email));
GRANT SELECT, INSERT, UPDATE ON user_account TO sublet_app;

CREATE TABLE organization (
  seq        bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  id         text PRIMARY KEY,
  name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
GRANT SELECT, INSERT, UPDATE ON organization TO sublet_app;

CREATE TABLE membership (
  seq             bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  organization_id text NOT NULL REFERENCES organization,
  user_id         text NOT NULL REFERENCES user_account,
  role            text NOT NULL CHECK (role IN ('owner', 'admin', 'billing', 'member')),
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (organization_id, user_id)
);
CREATE INDEX membership_organization ON membership (organization_id, seq);
CREATE INDEX membership_user ON membership (user_id, seq);
CREATE UNIQUE INDEX membership_one_owner ON membership (organization_id) WHERE role = 'owner';
GRANT SELECT, INSERT, UPDATE, DELETE ON membership TO sublet_app;

-- The unique index above forbids a second owner; this forbids having none, looked at when the transaction ends.
CREATE FUNCTION organization_needs_owner() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  organization text := CASE WHEN TG_TABLE_NAME = 'organization' THEN to_jsonb(NEW) ->> 'id'
                            ELSE to_jsonb(OLD) ->> 'organization_id' END;
BEGIN
  IF NOT EXISTS (SELECT FROM membership WHERE organization_id = organization AND role = 'owner') THEN
    RAISE EXCEPTION 'organization % has no owner', organization USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER has_owner AFTER INSERT ON organization
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION organization_needs_owner();
CREATE CONSTRAINT TRIGGER has_owner AFTER UPDATE OR DELETE ON membership
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION organization_needs_owner();
"""

CREDENTIALS = """
CREATE TABLE user_session (
  seq             bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  id              text PRIMARY KEY,
  user_id         text NOT NULL REFERENCES user_account,
  organization_id text REFERENCES organization,
  secret_hash     bytea NOT NULL UNIQUE CHECK (length(secret_hash) = 32),
  strength        text NOT NULL CHECK (strength IN ('password', 'second_factor')),
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- When the person last showed who they are; until that can be done within a session, it is when they signed in.
  confirmed_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  last_seen_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at      timestamptz NOT NULL,
  revoked_at      timestamptz,
  address         text,
  user_agent      text,
  CHECK (expires_at > created_at)
);
CREATE INDEX user_session_user ON user_session (user_id, seq) WHERE revoked_at IS NULL;
CREATE INDEX user_session_expiry ON user_session (expires_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON user_session TO sublet_app;

CREATE TABLE api_token (
  seq             bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  id              text PRIMARY KEY,
  user_id         text NOT NULL REFERENCES user_account,
  organization_id text REFERENCES organization,
  name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  secret_hash     bytea NOT NULL UNIQUE CHECK (length(secret_hash) = 32),
  scopes          text[] NOT NULL CHECK (cardinality(scopes) > 0),
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at      timestamptz NOT NULL,
  last_used_at    timestamptz,
  revoked_at      timestamptz,
  idempotency_key text,
  request_hash    bytea,
  UNIQUE (user_id, idempotency_key),
  CHECK (expires_at > created_at AND expires_at <= created_at + interval '367 days'),
  CHECK ((idempotency_key IS NULL) = (request_hash IS NULL))
);
CREATE INDEX api_token_user ON api_token (user_id, seq) WHERE revoked_at IS NULL;
GRANT SELECT, INSERT, UPDATE ON api_token TO sublet_app;

CREATE TABLE ssh_key (
  seq         bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  id          text PRIMARY KEY,
  user_id     text NOT NULL REFERENCES user_account,
  name        text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  public_key  text NOT NULL CHECK (public_key ~ '^[a-z0-9@.-]+ [A-Za-z0-9+/=]+$'),
  fingerprint text NOT NULL CHECK (fingerprint ~ '^SHA256:[A-Za-z0-9+/]{43}$'),
  created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (user_id, fingerprint)
);
CREATE INDEX ssh_key_user ON ssh_key (user_id, seq);
GRANT SELECT, INSERT, DELETE ON ssh_key TO sublet_app;

-- `bucket` names what is counted (an account or an address) by its hash: what people type is not always an address.
CREATE TABLE throttle (
  bucket         bytea PRIMARY KEY,
  attempts       integer NOT NULL CHECK (attempts >= 0),
  window_ends_at timestamptz NOT NULL
);
CREATE INDEX throttle_age ON throttle (window_ends_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON throttle TO sublet_app;
"""


def upgrade() -> None:
    """Create people and what they sign in with."""
    execute_script(PEOPLE)
    execute_script(CREDENTIALS)
