"""The billing policy of every test that is not about one."""

from sublet.billing.policy import Policy

DEFAULT_POLICY = Policy()
