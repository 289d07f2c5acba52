"""sublet-node: what runs on a node. Standard library only; never imports sublet."""

HELPER_VERSION = "0.2.0"
PROTOCOL_VERSION = 1
