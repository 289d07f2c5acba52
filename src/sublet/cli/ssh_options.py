"""The options that OpenSSH is given: everything that decides whom we trust is said, nothing is left to its files."""

from pathlib import Path

from sublet.cli.ssh_credentials import Access, AccessDirectory


def _path(path: Path) -> str:
    # In OpenSSH's options a blank ends a path and `%` begins a token.
    return '"' + str(path).replace("%", "%%") + '"'


def options(directory: AccessDirectory, access: Access) -> list[tuple[str, str]]:
    """Name and value, as for `-o` or for a line of ssh_config."""
    chosen = [
        ("User", access.login),
        ("Port", str(access.port)),
        ("IdentityFile", _path(directory.key)),
        ("CertificateFile", _path(directory.certificate)),
        ("IdentitiesOnly", "yes"),
        ("IdentityAgent", "none"),
        ("PreferredAuthentications", "publickey"),
        ("UserKnownHostsFile", _path(directory.known_hosts)),
        ("GlobalKnownHostsFile", "none"),
        ("StrictHostKeyChecking", "yes"),
        ("UpdateHostKeys", "no"),
        ("CheckHostIP", "no"),
        ("ForwardAgent", "no"),
        ("ConnectTimeout", "15"),
        ("ServerAliveInterval", "15"),
        ("ServerAliveCountMax", "4"),
    ]
    if access.alias is not None:
        chosen.append(("HostKeyAlias", access.alias))
    return chosen


def command_line(
    directory: AccessDirectory, access: Access, *, extra: tuple[str, ...] = (), command: tuple[str, ...] = ()
) -> list[str]:
    """`ssh …`: no configuration of the user is read, and what the user adds comes after ours, so ours holds."""
    line = ["ssh", "-F", "none"]
    for name, value in options(directory, access):
        line += ["-o", f"{name}={value}"]
    return [*line, *extra, "--", access.host, *command]


def config_block(name: str, directory: AccessDirectory, access: Access) -> str:
    """The same as a `Host` of ssh_config, for scp, rsync and editors."""
    lines = [f"Host {name}", f"  HostName {access.host}"]
    lines += [f"  {option} {value}" for option, value in options(directory, access)]
    return "\n".join(lines)
