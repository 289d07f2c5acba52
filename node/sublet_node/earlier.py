"""What earlier versions of the helper set up for sessions, by other means: taken away where it is still there."""

from __future__ import annotations

from pathlib import Path

from . import commands, endpoints, files, paths, sshd, systemd

_RULES = Path("/etc/security/namespace.d")
_DROP_IN = "50-sublet.conf"


def clear() -> None:
    """Take it away; sshd, which was started through a script then, is started anew. Open sessions go on."""
    for rules in (_RULES / "sublet-session", *_RULES.glob("al-*.conf")):
        files.remove(rules)
    drop_ins = [paths.UNITS / f"{unit}.d" / _DROP_IN for unit in endpoints.SERVICES]
    told = [drop_in for drop_in in drop_ins if files.remove(drop_in)]
    for drop_in in told:
        if not any(drop_in.parent.iterdir()):
            drop_in.parent.rmdir()
    if told and systemd.is_running():
        commands.run("systemctl", "daemon-reload")
        sshd.restart()
    for script in ("sshd", "sshd-session"):
        files.remove(paths.PROGRAMS / script)
