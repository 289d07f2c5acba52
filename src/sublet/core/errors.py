"""Errors are named facts: a stable `code`, a status, and what happened, what it did to work and money, what to do."""

from typing import Any, ClassVar


class SubletError(Exception):
    """Base of every error that a caller may see; becomes RFC 9457 problem+json."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something failed on our side"
    headers: ClassVar[dict[str, str]] = {}

    def __init__(self, detail: str, *, extra: dict[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra = extra or {}


class InvalidInput(SubletError):
    """The request says something that cannot be."""

    code = "invalid_input"
    status = 422
    title = "The request is not valid"

    def __init__(self, detail: str, *, field: str | None = None, extra: dict[str, Any] | None = None) -> None:
        merged = dict(extra or {})
        if field is not None:
            merged["errors"] = [{"field": field, "message": detail}]
        super().__init__(detail, extra=merged)


class NotAuthenticated(SubletError):
    """Nobody is signed in, or the session or token has ended."""

    code = "not_authenticated"
    status = 401
    title = "Sign in first"
    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": "Bearer"}


class PermissionDenied(SubletError):
    """The caller is known and may not do this."""

    code = "permission_denied"
    status = 403
    title = "You may not do this"


class FreshSignInRequired(PermissionDenied):
    """The caller may do this, and has to show first that it is still them."""

    code = "fresh_sign_in_required"
    title = "Sign in again first"


class SecondFactorRequired(PermissionDenied):
    """The caller may do this, and has to sign in with more than a password first."""

    code = "second_factor_required"
    title = "Sign in with a second factor first"


class TermsNotAccepted(PermissionDenied):
    """The caller may do this, and has to accept the terms that are in force first."""

    code = "terms_not_accepted"
    title = "Accept the terms first"


class NotFound(SubletError):
    """There is no such thing, or it belongs to somebody else: the answer is the same."""

    code = "not_found"
    status = 404
    title = "There is no such thing"

    def __init__(self, kind: str, identifier: str) -> None:
        super().__init__(f"There is no {kind} {identifier!r} that you can see. Nothing was changed.")


class Conflict(SubletError):
    """The thing exists, and its state does not allow this."""

    code = "conflict"
    status = 409
    title = "This is not possible in the present state"


class TooManyRequests(SubletError):
    """A throttle is closed."""

    code = "too_many_requests"
    status = 429
    title = "Too many attempts"


class Unavailable(SubletError):
    """A part that this needs does not answer; trying again later is right."""

    code = "unavailable"
    status = 503
    title = "A part that this needs is not available"


class IdempotencyKeyReused(SubletError):
    """The same Idempotency-Key came with another request."""

    code = "idempotency_key_reused"
    status = 422
    title = "This Idempotency-Key belongs to another request"


class RemoteFailure(SubletError):
    """A node or the card processor answered with a failure or not at all."""

    code = "remote_failure"
    status = 502
    title = "A remote system failed"
