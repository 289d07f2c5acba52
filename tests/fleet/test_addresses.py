"""Where nodes answer, in the one form that clients and certificates have it in."""

import re

import pytest

from sublet.fleet import addresses


class TestNormal:
    @pytest.mark.parametrize(
        ("given", "read"),
        [
            ("Node-1.Example.COM", "node-1.example.com"),
            ("node1.example.com.", "node1.example.com"),
            (" 192.0.2.7 ", "192.0.2.7"),
            ("2001:DB8:0:0::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("2001:db8::", "2001:db8::"),
            ("::1", "::1"),
        ],
    )
    def test_is_what_ssh_asks_for(self, given: str, read: str) -> None:
        assert addresses.normal(given) == read

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ("192.0.2.300", "192.0.2.300 is no IP address"),
            ("192.0.2.7:22", "the port is given by itself"),
            ("[2001:db8::7]:22", "the port is given by itself"),
            ("node:22", "the port is given by itself"),
            ("fe80::1%eth0", "one link alone"),
            ("fe80::1", "one link alone"),
            ("0.0.0.0", "no address of one machine"),
            ("ff02::1", "no address of one machine"),
            ("-node", "must be a host name"),
            ("node..example", "must be a host name"),
            ("a b", "must be a host name"),
            ("", "must be a host name"),
            ("a" * 64, "must be a host name"),
            (".".join(["a" * 60] * 5), "must be a host name"),
        ],
    )
    def test_says_what_is_wrong(self, given: str, words: str) -> None:
        with pytest.raises(ValueError, match=re.escape(words)):
            addresses.normal(given)

    def test_is_shown_with_its_port_in_one_word(self) -> None:
        assert addresses.shown("2001:db8::7", 22) == "[2001:db8::7]:22"
        assert addresses.shown("node.example", 22) == "node.example:22"
