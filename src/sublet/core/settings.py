"""Every setting, in one place. Environment variables carry the prefix `SUBLET_`; secrets are given by reference."""

import json
import os
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from sublet.core.errors import SubletError
from sublet.core.money import CurrencyCode


class SecretUnavailable(SubletError):
    """A secret's reference points at nothing readable."""

    code = "secret_unavailable"


class SettingsInvalid(SubletError):
    """A setting is not what it must be."""

    code = "settings_invalid"


class SecretRef:
    """Where a secret lies: `file:/path`, `credential:name` (systemd) or `docker:name`; never printed."""

    def __init__(self, reference: str) -> None:
        scheme, separator, rest = reference.partition(":")
        if not separator or scheme not in {"file", "credential", "docker"} or not rest:
            raise ValueError(
                "a secret is given by reference, never as its value: write it to a file with mode 0600 and give "
                "file:/path/to/it (or credential:NAME under systemd, docker:NAME for a Docker secret)"
            )
        self.reference = reference
        self._scheme, self._rest = scheme, rest

    @property
    def path(self) -> Path:
        """The file that holds the secret."""
        if self._scheme == "credential":
            return Path(os.environ.get("CREDENTIALS_DIRECTORY", "/run/credentials")) / self._rest
        if self._scheme == "docker":
            return Path("/run/secrets") / self._rest
        return Path(self._rest)

    def read(self) -> str:
        """The secret itself, without its trailing newline."""
        try:
            return self.path.read_text(encoding="utf-8").rstrip("\n")
        except OSError as error:
            raise SecretUnavailable(
                f"The secret {self.reference} cannot be read ({error.strerror}). Nothing was started with it. "
                "Create the file, readable by the account that runs Sublet, and try again."
            ) from error

    def __repr__(self) -> str:
        return f"SecretRef({self.reference!r})"


def _secret(value: Any) -> SecretRef:
    return value if isinstance(value, SecretRef) else SecretRef(str(value))


Secret = Annotated[SecretRef, BeforeValidator(_secret)]


def _names(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [name.strip() for name in value.split(",") if name.strip()]


Names = Annotated[list[str], NoDecode, BeforeValidator(_names)]
"""A list, given as text separated by commas or as JSON."""


ENCRYPTION_KEY = "encryption.key"
"""What the key of a process that was given no key file is called, in `keys` of the data directory."""


def default_data_directory() -> Path:
    """`/var/lib/sublet` for root, else the user's data directory by the XDG rules."""
    if os.geteuid() == 0:
        return Path("/var/lib/sublet")
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "sublet"


class Settings(BaseSettings):
    """What can be configured. `docs/settings.md` lists them; a test holds it against this class."""

    # A refused value may be a secret that was given plainly: errors must not repeat it.
    model_config = SettingsConfigDict(
        env_prefix="SUBLET_", extra="ignore", arbitrary_types_allowed=True, hide_input_in_errors=True
    )

    data_directory: Path = Field(
        default_factory=default_data_directory,
        description="Where the embedded database, generated keys and the demo keep their files.",
        validation_alias=AliasChoices("SUBLET_DATA_DIR", "SUBLET_DATA_DIRECTORY", "data_directory"),
    )
    database_url: str | None = Field(
        default=None,
        description="PostgreSQL 15 or later, as postgresql://…; without it `sublet up` runs an embedded PostgreSQL.",
        validation_alias=AliasChoices("DATABASE_URL", "SUBLET_DATABASE_URL", "database_url"),
    )
    database_owner_url: str | None = Field(
        default=None,
        description="The role that owns the schema and runs migrations; defaults to the database URL.",
        validation_alias=AliasChoices("DATABASE_OWNER_URL", "SUBLET_DATABASE_OWNER_URL", "database_owner_url"),
    )
    database_pool_size: int = Field(default=10, ge=1, description="Connections kept by one process.")
    host: str = Field(default="127.0.0.1", description="Address that the web process listens on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port that the web process listens on.")
    public_url: str = Field(
        default="http://127.0.0.1:8000",
        description="The address customers use; cookies, allowed origins and links are derived from it.",
    )
    allowed_origins: Names = Field(
        default_factory=list, description="Further origins that may call the API from a browser, separated by commas."
    )
    trusted_proxies: Names = Field(
        default_factory=list,
        description="Addresses of reverse proxies whose X-Forwarded-For is believed, separated by commas.",
    )
    console_directory: Path | None = Field(
        default=None, description="The built console; defaults to the one that came with the package or the checkout."
    )
    key_file: Secret | None = Field(
        default=None,
        description="The keys that secrets are encrypted with, one a line, the current one first; made when not set.",
    )
    stripe_api_base: str = Field(
        default="https://api.stripe.com", description="Base address of the card processor's API."
    )
    stripe_api_key: Secret | None = Field(default=None, description="Secret key for the card processor, by reference.")
    stripe_webhook_secret: Secret | None = Field(
        default=None, description="Signing secret of the card processor's webhooks, by reference."
    )
    test_payments: bool = Field(
        default=False,
        description="Whether a test key of the card processor (`sk_test_…`) is accepted although `public_url` is an "
        "address that others reach: nobody is charged, and everybody can top up with a test card.",
    )
    smtp_host: str | None = Field(
        default=None,
        description="The mail server that takes what Sublet mails; unset: people are told in their inboxes alone.",
    )
    smtp_port: int = Field(default=587, ge=1, le=65535, description="The mail server's port.")
    smtp_security: str = Field(
        default="starttls",
        pattern="^(starttls|tls|none)$",
        description="How the mail server is spoken to: `starttls`, `tls` from the start, or `none`, readably.",
    )
    smtp_user: str | None = Field(default=None, description="Who signs in to the mail server; nobody when not set.")
    smtp_password: Secret | None = Field(default=None, description="The password for it, by reference.")
    mail_from: str | None = Field(
        default=None,
        pattern=r"^[^@\s<>]+@[^@\s<>]+$",
        description="The address that mail comes from; needed with `smtp_host`.",
    )
    mail_from_name: str = Field(
        default="Sublet", pattern=r"^[^\x00-\x1f\x7f]{1,100}$", description="The name that stands before it."
    )
    currency: CurrencyCode | None = Field(
        default=None,
        description="What wallets are kept and prices are shown in (ISO 4217); web, worker and "
        "`sublet operator` need it, and nothing assumes one.",
    )
    time_zone: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_+/-]{1,64}$",
        description="The time zone of the legal entity (Europe/Berlin, UTC): months of the books begin and end in it; "
        "web, worker and `sublet operator` need it, and nothing assumes one.",
    )
    terms_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s<>]{1,400}$",
        description="Where the terms are that people accept when they sign up; needed with `terms_version`. Unset: "
        "nobody is asked, and nothing is recorded.",
    )
    terms_version: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$",
        description="Which version of the text stands there, such as 2026-11. With a new one everybody accepts anew "
        "before they pay in again.",
    )
    seal_heads_file: Path | None = Field(
        default=None,
        description="Where each seal of the books is noted, signed: a file that whoever owns the database cannot "
        "write, and outside the data directory; unset: seals stay in the database alone.",
    )
    settle_interval_seconds: int = Field(
        default=3600, ge=1, description="How often running usage is posted to the ledger."
    )
    metering_interval_seconds: int = Field(
        default=10, ge=1, description="How often delivered seconds are counted and holds extended."
    )
    observe_interval_seconds: int = Field(
        default=5, ge=1, description="How often each node is observed; billing never runs past the last observation."
    )
    funds_grace_seconds: int = Field(
        default=900, ge=0, description="How long an allocation runs on after funds ran out, before it is suspended."
    )
    data_kept_days: int = Field(
        default=14,
        ge=2,
        description="How long suspended data are kept that nobody pays for. The end is announced, the last time a "
        "whole day before it; a top-up that is enough cancels it, and a smaller one moves it, once. Two weeks outlast "
        "most absences; what is kept takes capacity that nobody pays for, so no longer is assumed.",
    )
    detection_seconds: int = Field(
        default=60, ge=1, description="Extra seconds held, for noticing that funds ran out and for stopping."
    )
    node_lost_seconds: int = Field(
        default=300, ge=5, description="Without an observation for so long, a node's allocations are lost."
    )
    release_lost_seconds: int | None = Field(
        default=None,
        ge=5,
        description="What was lost for so long is released when its node answers again, instead of going on as it was; "
        "unset: all goes on, however late.",
    )
    lease_seconds: int = Field(
        default=6, ge=1, description="How long a worker owns a resource without renewing; bounds the take-over time."
    )
    sweep_interval_seconds: float = Field(
        default=2.0, gt=0, description="How often due work without a worker is sought."
    )
    metrics_listen: str | None = Field(
        default=None,
        pattern=r"^(\[[0-9a-fA-F:]+\]|[^\[\]:\s]+):[0-9]{1,5}$",
        description="Where a worker answers /metrics, as host:port; nowhere by default. It must be an address that "
        "only the monitoring can reach. Web answers on its own port.",
    )
    provision_attempts: int = Field(default=5, ge=1, description="Attempts before an allocation is failed.")
    session_idle_seconds: int = Field(default=12 * 3600, ge=60, description="A browser session ends when idle so long.")
    session_absolute_seconds: int = Field(default=7 * 86400, ge=60, description="A browser session ends after so long.")
    passwords_waiting: int = Field(
        default=64,
        ge=1,
        description="How many passwords may wait to be looked at in one web process; who comes then is told to come "
        "again (503).",
    )
    launches_under_way: int = Field(
        default=32, ge=1, description="How many allocations one organization may have in setting up at a time."
    )
    launches_an_hour: int = Field(
        default=240, ge=1, description="How many launches one organization may begin within an hour."
    )
    open_top_ups: int = Field(
        default=10, ge=1, description="How many payments one organization may have open at a time."
    )
    saved_cards: int = Field(
        default=20, ge=1, description="How many cards one organization may have saved, or be about to save."
    )
    refund_alone_up_to: str = Field(
        default="0",
        pattern=r"^[0-9]{1,9}(\.[0-9]{1,6})?$",
        description="How much of a payment operators may refund without a second person, and how much give, or take, "
        "by adjustments of one organization in a month of the books, in the currency of the wallet. At 0 each takes "
        "two.",
    )
    credit_budget: str = Field(
        default="0",
        pattern=r"^[0-9]{1,9}(\.[0-9]{1,6})?$",
        description="How much promotional credit operators may give in a month of the books without a second person, "
        "all of them together, in the currency of the wallet; a promo code counts with all of its uses, and so does "
        "what adjustments give. At 0 each takes two.",
    )
    api_tokens: int = Field(
        default=100, ge=1, description="How many API tokens one organization may have, or have made within a day."
    )
    live_certificates: int = Field(
        default=500,
        ge=1,
        description="How many SSH certificates for one allocation may be such that they can still be used.",
    )
    ssh_keys: int = Field(
        default=256,
        ge=1,
        le=256,
        description="How many SSH keys the members of one organization may have together: so many a node takes.",
    )
    user_certificate_seconds: int = Field(
        default=3600, ge=30, le=3600, description="Lifetime of a customer's SSH certificate."
    )
    host_certificate_seconds: int = Field(
        default=86400, ge=60, description="Lifetime of a node's host certificate; renewed every hour."
    )
    terminal_sessions: int = Field(
        default=10, ge=1, description="How many browser terminals one allocation may have open."
    )
    terminal_idle_seconds: int = Field(
        default=4 * 3600, ge=10, description="A browser terminal without a key pressed or output ends after so long."
    )
    event_days: int = Field(
        default=30,
        ge=2,
        description="Events are kept so long, and longer while a subscriber has not had them; `/events?after=` reads "
        "no further back.",
    )
    notice_days: int = Field(default=365, ge=1, description="How long notices stay in the inboxes, read or not.")
    terminal_session_days: int = Field(default=90, ge=1, description="How long ended browser terminals stay on record.")
    startup_output_days: int = Field(
        default=90, ge=1, description="How long what startup scripts wrote is kept once their allocations have ended."
    )
    join_token_seconds: int = Field(default=3600, ge=60, description="Lifetime of a node's one-time join token.")
    log_format: str = Field(default="json", pattern="^(json|console)$", description="`json` or `console`.")
    log_level: str = Field(
        default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR|CRITICAL)$", description="Lowest level that is logged."
    )
    otlp_endpoint: str | None = Field(
        default=None,
        description="Where traces are sent by OTLP over HTTP, for example http://127.0.0.1:4318; none are by default.",
    )
    trace_ratio: float = Field(
        default=1.0, ge=0, le=1, description="Which part of the traces that begin here is sent, from 0 to 1."
    )

    @field_validator("seal_heads_file")
    @classmethod
    def _heads_lie_outside(cls, heads: Path | None, given: ValidationInfo) -> Path | None:
        if heads is not None and heads.resolve().is_relative_to(given.data["data_directory"].resolve()):
            raise ValueError("it lies in the data directory, and would go with it; name a file outside")
        return heads

    @model_validator(mode="after")
    def _terms_are_whole(self) -> "Settings":
        if (self.terms_url is None) != (self.terms_version is None):
            raise ValueError("terms_url and terms_version are given together, or neither")
        return self

    @cached_property
    def origins(self) -> frozenset[str]:
        """Every origin that may make unsafe requests and open WebSockets."""
        return frozenset({self.public_url.rstrip("/"), *(o.rstrip("/") for o in self.allowed_origins)})

    @property
    def secure_cookies(self) -> bool:
        """False only for plain HTTP on loopback, the one exception."""
        return self.public_url.startswith("https://")

    @property
    def owner_url(self) -> str | None:
        """The URL for migrations."""
        return self.database_owner_url or self.database_url


def read_settings() -> Settings:
    """The settings of this process; SettingsInvalid names each variable that is wrong, and never its value."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(
            f"{_variable(str(item['loc'][0]))}: {item['msg']}" if item["loc"] else item["msg"]
            for item in error.errors()
        )
        raise SettingsInvalid(
            f"A setting is not valid: {wrong}. Nothing was started. Correct it; docs/settings.md lists them all."
        ) from None


def _variable(name: str) -> str:
    return name if name.isupper() else f"SUBLET_{name.upper()}"
