"""Currencies: in how many decimals each is counted, by ISO 4217 and by the card processor. No other list says so.

Never taken from CLDR, which has the habits of shops rather than the minor units (it gives some dinars no decimals).
"""

from sublet.core.errors import SubletError

_BY_DIGITS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
    2: """
      AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY
      COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR
      ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK
      MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP
      SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER
      ZAR ZMW ZWG
    """,
    3: "BHD IQD JOD KWD LYD OMR TND",
}
DIGITS = {code: digits for digits, codes in _BY_DIGITS.items() for code in codes.split()}
"""The decimals of each currency's minor unit (ISO 4217)."""

_CHARGED_WITH_DIGITS = {"ISK": 2, "UGX": 2, "MGA": 0}
"""Where the processor counts in other units than ISO 4217: two were minor units once and are still sent so."""

_CHARGED_IN_STEPS_OF = {"ISK": 100, "UGX": 100, "BHD": 10, "JOD": 10, "KWD": 10, "OMR": 10, "TND": 10}
"""Of these, the processor charges only so many of its units at a time."""

MICRO_DIGITS = 6


class CurrencyUnknown(SubletError, ValueError):
    """No such currency is in use, so that nobody could say how many decimals it has."""

    code = "currency_unknown"
    status = 422
    title = "This is no currency"


def digits(currency: str) -> int:
    """How many decimals the currency's minor unit has; CurrencyUnknown."""
    try:
        return DIGITS[currency]
    except KeyError:
        raise CurrencyUnknown(f"{currency!r} is not the code of a currency in use. Nothing was changed.") from None


def micro_per_unit(currency: str) -> int:
    """How many millionths the unit is worth that the card processor counts the currency in."""
    return int(10 ** (MICRO_DIGITS - _CHARGED_WITH_DIGITS.get(currency, digits(currency))))


def micro_per_charge(currency: str) -> int:
    """The smallest step, in millionths, in which the card processor charges the currency."""
    return micro_per_unit(currency) * _CHARGED_IN_STEPS_OF.get(currency, 1)
