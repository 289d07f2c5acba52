"""E-mail addresses: by the standards' form, without asking any network whether they are real."""

from email_validator import EmailNotValidError, validate_email

from sublet.core.errors import InvalidInput

LONGEST = 254


def checked_email(email: str) -> str:
    """The address in its normal form; InvalidInput says what is wrong with it."""
    try:
        # Test domains are let in: a mail to one goes nowhere, and demos and tests live there.
        found = validate_email(email.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise InvalidInput(f"This is not an e-mail address: {error} Nothing was changed.", field="email") from None
    if len(found.normalized) > LONGEST:
        raise InvalidInput("The e-mail address is too long. Nothing was changed.", field="email")
    return found.normalized
