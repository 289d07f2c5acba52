"""What the catalog refuses."""

from sublet.core.errors import Conflict, InvalidInput


class SkuCodeTaken(Conflict):
    """Another SKU has the code."""

    code = "sku_code_taken"


class PriceBackdated(InvalidInput):
    """A price was to take effect in the past."""

    code = "price_backdated"


class PriceExists(Conflict):
    """The SKU has a price in that currency from that very moment."""

    code = "price_exists"
