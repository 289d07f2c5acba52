"""Every place on the node that sublet-node owns."""

from __future__ import annotations

from pathlib import Path

from . import session

HELPER = Path("/usr/local/sbin/sublet-node")

CONFIG = Path("/etc/sublet")
NODE_FILE = CONFIG / "node.json"
PRINCIPALS = CONFIG / "principals"
AUTHORIZED_KEYS = CONFIG / "authorized_keys"
USER_CA = CONFIG / "user_ca.pub"
REVOKED_KEYS = CONFIG / "revoked_keys"
HOST_CERTIFICATE = CONFIG / "host_certificate.pub"
SESSION_LIMITS = CONFIG / "limits.conf"
FIREWALL_RULES = CONFIG / "firewall.nft"

STATE = Path("/var/lib/sublet")
ALLOCATIONS = STATE / "allocations"
LOCKS = STATE / "locks"
MARKS = STATE / "marks"
GPUS = STATE / "gpus.json"
STARTS = STATE / "starts"
PRIVATE_TMP = STATE / "private-tmp"
PRIVATE_VAR_TMP = STATE / "private-var-tmp"
RUN = Path("/run/sublet")
LOGINS = Path(session.LOGINS)
SESSION_ROOT = Path(session.ROOT)
OWN = Path(session.OWN)
PINS = Path(session.PINS)
JOURNALS = Path(session.JOURNALS)
PROGRAMS = Path("/usr/local/lib/sublet")
PAM_MODULE = PROGRAMS / "pam_sublet.so"

ACCOUNTS = Path("/etc")
HOMES = Path("/home")
KERNEL_LOG = Path("/dev/kmsg")
PCI = Path("/sys/bus/pci/devices")
HOST_KEY = Path("/etc/ssh/ssh_host_ed25519_key.pub")
SSHD_CONFIG = Path("/etc/ssh/sshd_config")
SSHD_DROP_IN = Path("/etc/ssh/sshd_config.d/10-sublet.conf")
SUDOERS = Path("/etc/sudoers.d/sublet")
UNITS = Path("/etc/systemd/system")
UNIT = UNITS / "sublet-node.service"
SLICE_PROPERTIES = Path("/etc/systemd/system.control")
PAM = Path("/etc/pam.d")
