"""What identity refuses."""

from typing import ClassVar

from sublet.core.errors import (
    Conflict,
    InvalidInput,
    NotAuthenticated,
    PermissionDenied,
    SubletError,
    TooManyRequests,
    Unavailable,
)


class EmailTaken(Conflict):
    """There is a user with this e-mail address already."""

    code = "email_taken"

    def __init__(self) -> None:
        super().__init__(
            "There is an account with this e-mail address already. Nothing was created. Sign in instead.",
            extra={"errors": [{"field": "email", "message": "There is an account with this e-mail address already."}]},
        )


class PasswordTooWeak(InvalidInput):
    """The password is short, common, or made of what anybody would guess."""

    code = "password_too_weak"


class TermsMissing(InvalidInput):
    """Who signs up accepts the terms that are in force, by their version."""

    code = "terms_not_accepted"
    title = "Accept the terms first"


class TermsChanged(Conflict):
    """What somebody accepts is not, or no longer, what is in force."""

    code = "terms_changed"
    title = "Other terms are in force"


class LoginRefused(NotAuthenticated):
    """The e-mail address or the password is wrong; the answer does not tell which."""

    code = "login_refused"
    title = "The e-mail address or the password is not right"
    headers: ClassVar[dict[str, str]] = {}

    def __init__(self) -> None:
        super().__init__("The e-mail address or the password is not right. You are not signed in. Check both.")


class TooManyAttempts(TooManyRequests):
    """Too many attempts for an account or from an address; `retry_after_seconds` says how long to wait."""

    code = "too_many_attempts"

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(
            f"There were too many attempts. This one was not looked at. Try again in {retry_after_seconds} seconds.",
            extra={"retry_after_seconds": retry_after_seconds},
        )
        # The core's headers belong to the class; how long to wait is known only now.
        vars(self)["headers"] = {"Retry-After": str(retry_after_seconds)}


class PasswordsWait(Unavailable):
    """So many passwords wait to be looked at that no more are taken on."""

    code = "passwords_wait"
    title = "Too many people sign in at once"

    def __init__(self, waiting: int, retry_after_seconds: int) -> None:
        super().__init__(
            f"{waiting} passwords wait to be looked at, which is the most. Yours was not, and nothing was changed. "
            f"Try again in {retry_after_seconds} seconds.",
            extra={"retry_after_seconds": retry_after_seconds},
        )
        vars(self)["headers"] = {"Retry-After": str(retry_after_seconds)}


class ScopeNotHeld(PermissionDenied):
    """A token was to have a scope that its creator does not hold."""

    code = "scope_not_held"


class TokenNeedsSession(PermissionDenied):
    """Only a signed-in person makes API tokens; a token cannot prolong itself."""

    code = "session_required"


class TokenAlreadyCreated(Conflict):
    """The Idempotency-Key made a token before, and a token is shown only once."""

    code = "token_already_created"


class TooManyTokens(Conflict):
    """An organization keeps at most so many API tokens."""

    code = "too_many_api_tokens"


class PrivateKeyRefused(InvalidInput):
    """Somebody sent a private key."""

    code = "private_key_refused"


class SshKeyTaken(Conflict):
    """The person has registered the key already."""

    code = "ssh_key_taken"


class TooManyKeys(Conflict):
    """A person, and the members of an organization together, keep at most so many SSH keys."""

    code = "too_many_ssh_keys"


class InsecurePublicUrl(SubletError):
    """The public address would send session cookies over a network in the clear."""

    code = "insecure_public_url"
