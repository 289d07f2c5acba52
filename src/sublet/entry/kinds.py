"""Every kind of leased work by name, with its table of steps and how it ends; `docs/work.md` is written from it."""

from collections.abc import Mapping

from sublet.allocations import remnants, rows, startup, suspended_claim
from sublet.allocations.work import kind as allocations
from sublet.allocations.work import remnants as remnant_work
from sublet.allocations.work import resumption as resumption_work
from sublet.allocations.work import startup as startup_work
from sublet.core.work import delivery, ticks
from sublet.core.work.declaration import SET_ASIDE, End, Step
from sublet.fleet import helper_upgrades, host_certificates, observation, revocations, trial
from sublet.fleet.work import NODE, REVOCATIONS, TRIAL, TRUST, UPGRADE
from sublet.identity import email_verification
from sublet.notifications import notices
from sublet.notifications.mail import work as mail
from sublet.payments.auto_top_up import bounds
from sublet.payments.auto_top_up import work as auto_top_up
from sublet.payments.cards import card, setup_work, setups
from sublet.payments.disputes import answers
from sublet.payments.refunds import requests as refunds
from sublet.payments.refunds import work as refund_work
from sublet.payments.stripe import inbox
from sublet.payments.top_ups import checkout

STEPS: Mapping[str, tuple[Step, ...]] = {
    rows.WORK: allocations.STEPS,
    remnants.WORK: remnant_work.STEPS,
    suspended_claim.WAITING: resumption_work.STEPS,
    startup.WORK: startup_work.STEPS,
    NODE: observation.STEPS,
    TRUST: host_certificates.STEPS,
    REVOCATIONS: revocations.STEPS,
    TRIAL: trial.STEPS,
    UPGRADE: helper_upgrades.STEPS,
    checkout.WORK: checkout.STEPS,
    bounds.WORK: auto_top_up.STEPS,
    setups.WORK: setup_work.STEPS,
    card.FORGET: card.STEPS,
    refunds.WORK: refund_work.STEPS,
    answers.WORK: answers.STEPS,
    inbox.WORK: inbox.STEPS,
    notices.MAIL: mail.STEPS,
    email_verification.WORK: mail.VERIFYING_STEPS,
    delivery.DELIVERY: delivery.DELIVERY_STEPS,
    delivery.EVENT: delivery.EVENT_STEPS,
    ticks.TICK: ticks.STEPS,
}

_ENDS = {
    rows.WORK: allocations.END,
    remnants.WORK: remnant_work.END,
    suspended_claim.WAITING: resumption_work.END,
    startup.WORK: startup_work.END,
    NODE: observation.END,
    TRUST: host_certificates.END,
    REVOCATIONS: revocations.END,
    TRIAL: trial.END,
    UPGRADE: helper_upgrades.END,
    checkout.WORK: checkout.END,
    bounds.WORK: auto_top_up.END,
    setups.WORK: setup_work.END,
    card.FORGET: card.END,
    refunds.WORK: refund_work.END,
    answers.WORK: answers.END,
    inbox.WORK: inbox.END,
    notices.MAIL: mail.END,
    email_verification.WORK: mail.VERIFYING_END,
    delivery.DELIVERY: delivery.DELIVERY_END,
    delivery.EVENT: delivery.EVENT_END,
    ticks.TICK: ticks.END,
}

ENDS: Mapping[str, End] = {kind: _ENDS.get(kind, SET_ASIDE) for kind in STEPS}
"""A kind that declares no end of its own is set aside."""
