"""The files that a namespace node starts with: its own /etc, /var, /home and /usr/local."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sublet_sandbox.deletion import delete_folder
from sublet_sandbox.own_files import open_own, put

from . import gpus
from .local import StandInGpu

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_PASSWD = {
    "root": "0:0:root:/root:/bin/bash",
    "daemon": "1:1:daemon:/usr/sbin:/usr/sbin/nologin",
    "mail": "8:8:mail:/var/mail:/usr/sbin/nologin",
    "sshd": "110:110::/run/sshd:/usr/sbin/nologin",
    "nobody": "65534:65534:nobody:/nonexistent:/usr/sbin/nologin",
}
_GROUPS = {"root": 0, "daemon": 1, "tty": 5, "mail": 8, "utmp": 43, "shadow": 42, "sshd": 110, "nogroup": 65534}
_PAM = """auth required pam_deny.so
account required pam_unix.so
session optional pam_keyinit.so force revoke
session required pam_limits.so
session required pam_unix.so
password required pam_deny.so
"""
_SSHD = """Include /etc/ssh/sshd_config.d/*.conf
HostKey /etc/ssh/ssh_host_ed25519_key
ListenAddress 127.0.0.1
PidFile /run/sshd.pid
UsePAM yes
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin forced-commands-only
PrintMotd no
AcceptEnv LANG LC_*
Subsystem sftp internal-sftp
"""
# Taken over from the machine, because the programs of /usr expect them.
_BORROWED = [
    "alternatives",
    "bash.bashrc",
    "ca-certificates",
    "default/useradd",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "login.defs",
    "nanorc",
    "profile",
    "protocols",
    "security",
    "services",
    "skel",
    "ssl/certs",
    "terminfo",
]


def prepare(directory: Path, name: str, stand_ins: Sequence[StandInGpu], root_uid: int) -> None:
    """Make what is missing; what is there from an earlier start stays as it is. NotOurs where a link is in the way."""
    data = directory / "data"
    if not os.path.lexists(data / "complete"):
        delete_folder(data)  # a half-finished earlier start
        _write_tree(data, name, root_uid)
    owner = root_uid if root_uid != os.geteuid() else None
    put(data, "local/bin/nvidia-smi", gpus.nvidia_smi(), mode=0o755, owner=owner)
    put(data, "local/share/sublet-demo/nvidia-smi.json", gpus.samples(list(stand_ins)), owner=owner)
    os.close(open_own(str(data / "complete"), os.O_WRONLY | os.O_CREAT))


def _write_tree(data: Path, name: str, root_uid: int) -> None:
    folders = "merged home root local/bin local/sbin etc/ssh/sshd_config.d etc/pam.d"
    folders += " var/tmp var/spool var/mail var/lib var/log"
    for folder in folders.split():
        (data / folder).mkdir(parents=True, exist_ok=True)
    etc = data / "etc"
    for item in _BORROWED:
        _borrow(Path("/etc", item), etc / item)
    texts = {
        "passwd": "".join(f"{login}:x:{rest}\n" for login, rest in _PASSWD.items()),
        "shadow": "".join(f"{login}:*:19000:0:99999:7:::\n" for login in _PASSWD),
        "group": "".join(f"{group}:x:{number}:\n" for group, number in _GROUPS.items()),
        "gshadow": "".join(f"{group}:*::\n" for group in _GROUPS),
        "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files\n",
        "hosts": f"127.0.0.1 localhost {name}\n",
        "hostname": f"{name}\n",
        "pam.d/sshd": _PAM,
        "pam.d/other": _PAM,
        "ssh/sshd_config": _SSHD,
        "os-release": Path("/etc/os-release").read_text(),
    }
    for place, text in texts.items():
        (etc / place).write_text(text)
    for secret in ("shadow", "gshadow"):
        (etc / secret).chmod(0o600)
    key = str(etc / "ssh/ssh_host_ed25519_key")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", key], check=True)
    for folder, mode in (("var/tmp", 0o1777), ("root", 0o700), ("var/mail", 0o755)):
        (data / folder).chmod(mode)
    if root_uid != os.geteuid():
        for path in (data, *data.rglob("*")):
            os.chown(path, root_uid, root_uid, follow_symlinks=False)


def _borrow(source: Path, target: Path) -> None:
    """Copy what may be read; what may not be is not needed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, ignore=_unreadable, dirs_exist_ok=True)
    elif source.exists() and os.access(source, os.R_OK):
        shutil.copy(source, target, follow_symlinks=not source.is_symlink() or source.name == "localtime")


def _unreadable(folder: str, names: list[str]) -> list[str]:
    return [
        name for name in names if not os.path.islink(f"{folder}/{name}") and not os.access(f"{folder}/{name}", os.R_OK)
    ]
