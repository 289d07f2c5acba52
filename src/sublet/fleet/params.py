"""The parameters of the node protocol's requests."""

import base64
from typing import Any

from sublet.fleet import backend
from sublet.fleet.krl import RevocationList
from sublet.fleet.node_helper import Helper


def trust_params(trust: backend.Trust) -> dict[str, Any]:
    """The parameters of `trust`."""
    return {
        "user_ca_public_keys": list(trust.user_ca_public_keys),
        "revoked_keys_base64": base64.b64encode(trust.revoked_keys).decode(),
        "host_certificate": trust.host_certificate,
        "control_principal": trust.control_principal,
    }


def script_params(script: backend.Script) -> dict[str, Any]:
    """The parameters that name an allocation's script."""
    return {"allocation": script.allocation_id, "login": script.login, "uid": script.uid}


def revoke_params(revoked: RevocationList) -> dict[str, Any]:
    """The parameters of `revoke`."""
    return {"revoked_keys_base64": base64.b64encode(revoked.content).decode()}


def upgrade_params(helper: Helper, confirm_seconds: int) -> dict[str, Any]:
    """The parameters of `upgrade`."""
    return {
        "version": helper.version,
        "sha256": helper.sha256,
        "helper_base64": base64.b64encode(helper.content).decode(),
        "confirm_seconds": confirm_seconds,
    }


def apply_params(account: backend.DesiredAccount) -> dict[str, Any]:
    """The parameters of `apply`."""
    return {
        "allocation": account.allocation_id,
        "login": account.login,
        "uid": account.uid,
        "state": account.state,
        "limits": {
            "cpu_percent": account.limits.cpu_percent,
            "memory_mib": account.limits.memory_mib,
            "tasks_max": account.limits.tasks_max,
            "disk_gib": account.limits.disk_gib,
            "network_bits_per_second": account.limits.network_bits_per_second,
        },
        "gpus": list(account.gpus),
        "principals": list(account.principals),
        "authorized_keys": list(account.authorized_keys),
        "disconnect_generation": account.disconnect_generation,
        "node_network": account.node_network,
        **({"gives_back": True} if account.gives_back else {}),
        **({"same_organization": list(account.same_organization)} if account.state == "suspended" else {}),
        "environment": dict(account.environment),
        "ports": [
            {"protocol": port.protocol, "port": port.port, "node_port": port.node_port} for port in account.ports
        ],
    }
