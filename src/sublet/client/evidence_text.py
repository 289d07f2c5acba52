"""The evidence of a dispute in words, for a person to read and for the bank: the same on both sides."""

import re
from collections.abc import Iterable, Mapping

from sublet.client.shapes.amounts import Money, Rate
from sublet.client.shapes.evidence import Evidence, EvidenceCharge, EvidenceSum, SignIn

LONGEST_FIELD = 20_000
"""How much the processor takes in one field, in characters."""

LONGEST_NOTE = 4_000
"""How much an operator may add in their own words, in characters."""

_TEXT = "uncategorized_text"
_LONG = ("access_activity_log", _TEXT)
_FOREIGN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")

PRODUCT = (
    "Prepaid balance for Sublet, which sells time on Linux and GPU servers by the second. The customer launches "
    "machines, signs in to them by SSH or in a browser, and each second that is charged rests on an observation of "
    "the machine that ran for them."
)


LEFT_OUT = "… The rest is left out for length; our records have it."
SIGN_INS = "Sign-ins around the payment, newest first"


def sections(evidence: Evidence) -> list[tuple[str, list[str]]]:
    """Each part of the packet by its title, a line for each thing; a part that has nothing says so.

    What proves most comes first, and what is longest last. A line is one line whatever a customer wrote into it.
    """
    told = [
        ("The dispute", _dispute(evidence)),
        ("The payment", _payment(evidence)),
        ("Who the customer is", _people(evidence)),
        ("Terms that were accepted", _terms(evidence)),
        ("What the payment paid for", _sums(evidence)),
        ("What was given back", _refunds(evidence)),
        (SIGN_INS, [_sign_in(one) for one in evidence["sign_ins"]] or ["None is on record."]),
        ("Machines and how they were delivered", _machines(evidence)),
        ("Each charge, newest first", _charges(evidence)),
    ]
    return [(title, [_one_line(line) for line in lines]) for title, lines in told]


def text_of(fields: Mapping[str, str]) -> str:
    """The packet's fields as text, each under its name: exactly what the bank is sent."""
    return "\n\n".join(f"{name}\n{'=' * len(name)}\n{value}" for name, value in fields.items()) + "\n"


def with_note(fields: Mapping[str, str], note: str | None) -> dict[str, str]:
    """The packet's fields as they are sent with an operator's own words, for which `fields_of` left room."""
    return {**fields, _TEXT: f"{note}\n\n{fields[_TEXT]}"} if note else dict(fields)


def fields_of(evidence: Evidence) -> dict[str, str]:
    """The packet as the processor takes it, by its fields; each ends where it takes no more, and says so."""
    told = sections(evidence)
    payer = evidence["payment"]["payer"]
    rest = [(title, lines) for title, lines in told if title != SIGN_INS]
    fields = {
        "product_description": PRODUCT,
        "access_activity_log": _whole_lines(dict(told)[SIGN_INS], LONGEST_FIELD),
        _TEXT: _shared(rest, LONGEST_FIELD - LONGEST_NOTE - 2),
        "customer_name": payer["name"] if payer else None,
        "customer_email_address": evidence["payment"]["customer_email"] or (payer["email"] if payer else None),
        "customer_purchase_ip": _asked_from(evidence),
        "service_date": min((one["since"] for one in evidence["sums"]), default="")[:10] or None,
    }
    return {name: value if name in _LONG else _one_line(value) for name, value in fields.items() if value}


def _shared(told: list[tuple[str, list[str]]], room: int) -> str:
    """The parts in so many characters: each has its share of what those before it left, and pushes out no other."""
    parts: list[str] = []
    for done, (title, lines) in enumerate(told):
        share = room // (len(told) - done)
        parts.append(f"{title}\n{_whole_lines(lines, share - len(title) - 3)}")
        room -= len(parts[-1]) + 2
    return "\n\n".join(parts)


def _whole_lines(lines: list[str], most: int) -> str:
    """As many of the lines as go into `most` characters, and a word about the rest."""
    kept = "\n".join(lines)
    if len(kept) <= most:
        return kept
    room = most - len(LEFT_OUT) - 1
    end = kept.rfind("\n", 0, room + 1)
    return kept[: end if end > 0 else room] + "\n" + LEFT_OUT


def _one_line(value: str) -> str:
    """The text with what could begin a line, steer a terminal or turn the direction of reading shown as `�`."""
    return _FOREIGN.sub("�", value)


def _money(amount: Money | Rate) -> str:
    return f"{amount['amount']} {amount['currency']}"


def _at(moment: str | None) -> str:
    return "-" if moment is None else f"{moment[:10]} {moment[11:19]} UTC"


def _facts(pairs: Iterable[tuple[str, str | None]]) -> list[str]:
    return [f"{name}: {value}" for name, value in pairs if value]


def _dispute(evidence: Evidence) -> list[str]:
    one = evidence["dispute"]
    by = f"{one['id']} ({one['processor_id']})"
    return _facts(
        [
            ("Dispute", by),
            ("Amount", _money(one["amount"])),
            ("Reason", one["reason"]),
            ("Answer by", _at(one["due_by"]) if one["due_by"] else None),
        ]
    )


def _payment(evidence: Evidence) -> list[str]:
    one = evidence["payment"]
    return _facts(
        [
            ("Payment", f"{one['top_up_id']} ({one['charge_id'] or 'no charge'})"),
            ("Amount", _money(one["amount"])),
            ("Purpose", one["purpose"].replace("_", " ")),
            ("Asked for", f"{_at(one['requested_at'])} by {one['requested_by']}"),
            ("Arrived", _at(one["paid_at"])),
            ("Card", one["card"]),
            ("Receipt", "issued to the customer in the console" if one["paid_at"] else None),
        ]
    )


def _people(evidence: Evidence) -> list[str]:
    customer, payer = evidence["customer"], evidence["payment"]["payer"]
    lines = [f"Organization: {customer['name']} ({customer['organization_id']})"]
    if payer is not None and all(one["user_id"] != payer["user_id"] for one in customer["members"]):
        lines.append(
            f"{payer['name']} <{payer['email']}> ({payer['user_id']}), who asked for the payment, has left since"
        )
    for one in sorted(customer["members"], key=lambda one: one["user_id"] != evidence["payment"]["requested_by"]):
        shown = "address shown to be theirs" if one["email_verified_at"] else "address not verified"
        lines.append(
            f"{one['name']} <{one['email']}> ({one['user_id']}), {one['role']}, {shown}, since {_at(one['since'])}"
        )
    return lines


def _terms(evidence: Evidence) -> list[str]:
    lines = [
        f"{_at(one['accepted_at'])}: {one['user_id']} accepted version {one['version']} of {one['url']}, from "
        f"{one['address'] or 'an unknown address'} ({one['user_agent'] or 'unknown browser'})"
        for one in sorted(evidence["terms"], key=lambda one: one["user_id"] != evidence["payment"]["requested_by"])
    ]
    return lines or ["None was accepted: nothing of the kind is on record."]


def _seen(one: EvidenceCharge | EvidenceSum) -> str:
    if one["seen_from"] is None or one["seen_count"] is None:
        return ""
    return f"; seen running {one['seen_count']} times from {_at(one['seen_from'])} to {_at(one['seen_until'])}"


def _charge(one: EvidenceCharge) -> str:
    return (
        f"{_at(one['since'])} to {_at(one['until'])}: {one['name'] or one['subject_id']}, {one['seconds']} s "
        f"at {_money(one['per_hour'])} an hour, {_money(one['amount'])}{_seen(one)}"
    )


def _charges(evidence: Evidence) -> list[str]:
    lines = [_charge(one) for one in evidence["charges"]]
    if evidence["charges_left_out"]:
        lines.append(f"{evidence['charges_left_out']} further charges are left out.")
    return lines or ["There are none."]


def _sums(evidence: Evidence) -> list[str]:
    lines = [f"Spent of this payment: {_money(evidence['spent'])}"]
    if evidence["of_before"]["amount"].strip("0."):
        lines.append(f"Of that, for usage that was owed when it arrived: {_money(evidence['of_before'])}")
    if evidence["sums"]:
        lines.append("Machines whose charges it paid, wholly or in part:")
    lines += [
        f"{one['name'] or one['subject_id']} ({one['subject_id']}), {_at(one['since'])} to {_at(one['until'])}: "
        f"{one['seconds']} s in {one['charges']} charges, {_money(one['amount'])}{_seen(one)}"
        for one in evidence["sums"]
    ]
    if evidence["sums_left_out"]:
        lines.append(f"{evidence['sums_left_out']} further machines are left out.")
    return lines


def _machines(evidence: Evidence) -> list[str]:
    lines = []
    for one in evidence["allocations"]:
        lines.append(
            f"{one['name']} ({one['id']}), {one['sku']}, launched {_at(one['launched_at'])} by {one['launched_by']}"
        )
        lines += [f"  {_at(step['at'])}: {step['to']} ({step['reason']})" for step in one["history"]]
    return lines or ["None was charged to this payment."]


def _sign_in(one: SignIn) -> str:
    where = f" to {one['allocation_id']}" if one["allocation_id"] else ""
    return f"{_at(one['at'])}: {one['how']}{where} by {one['user_id'] or 'somebody'} from {one['address'] or '-'}"


def _refunds(evidence: Evidence) -> list[str]:
    lines = [
        f"{_at(one['created_at'])}: {_money(one['amount'])}, {one['state']}, {one['reason']}"
        for one in evidence["refunds"]
    ]
    return lines or ["Nothing of this payment was refunded."]


def _asked_from(evidence: Evidence) -> str | None:
    """Where whoever asked for the payment had signed in from, the last time before; nobody else's address is theirs."""
    paid = evidence["payment"]
    theirs = [one for one in evidence["sign_ins"] if one["user_id"] == paid["requested_by"] and one["address"]]
    return next((one["address"] for one in theirs if one["at"] <= paid["requested_at"]), None)
