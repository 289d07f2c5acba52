"""What may befall the work in an allocation; the column `incident` of its history allows the same."""

from enum import StrEnum


class Incident(StrEnum):
    """What may befall the work in an allocation that nobody asked for."""

    OUT_OF_MEMORY = "out_of_memory"
    NODE_RESTARTED = "node_restarted"
    GPU_ERROR = "gpu_error"
    NODE_DRAINING = "node_draining"
    LOST = "lost"
    BACK = "back"
