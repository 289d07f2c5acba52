"""The policy of money that tests go by unless they are about it."""

from sublet.billing.policy import Policy

DEFAULT_POLICY = Policy()
