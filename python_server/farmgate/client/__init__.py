"""A client of the exchange for Python: signed in, resuming, decimals in and out.

    async with Farmgate.demo() as farm:
        order = await farm.create_order("CORN-US2Y-CHI", "limit", "buy", 5, "4.58")
        print(order.status, order.filled)

Methods are named as in ccxt's unified API. Amounts are lots, prices are `Decimal`; what a method
returns has attributes, and lists have `to_df()` where pandas is installed. Refusals are exceptions
named by their reason, such as `farmgate.client.errors.InsufficientFunds`.
"""

from farmgate.client import errors
from farmgate.client.exchange import Farmgate
from farmgate.client.values import Rows

__all__ = ["Farmgate", "Rows", "errors"]
