"""The policies of every test that is not about one."""

from sublet.allocations import rows, upcoming_spend
from sublet.billing.policy import Policy
from sublet.scheduling.offers import Launches

DEFAULT_POLICY = Policy(data_kept_days=14)
DEFAULT_LAUNCHES = Launches(
    rows.count_being_set_up, 32, rows.began_within_an_hour, most_an_hour=240, to_come=upcoming_spend.more_to_come
)
