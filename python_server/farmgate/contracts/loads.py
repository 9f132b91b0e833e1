"""What a load on a contract comes to, by the contract's terms."""

from decimal import Decimal

from sqlalchemy import Connection

from farmgate.api.contracts.v1 import delivery_types_pb2
from farmgate.contracts import tickets
from farmgate.contracts.values import Contract
from farmgate.market import store as market

Message = delivery_types_pb2.Delivery


def ticket_of(connection: Connection, contract: Contract, message: Message) -> tickets.Ticket:
    """Returns what a load comes to."""
    stated = contract.message()
    commodity = market.commodity(connection, stated.commodity_code)
    assert commodity is not None, "Contracts are over commodities that are listed."
    quality = {one.parameter: Decimal(one.value) for one in message.quality}
    schedule = stated.schedule_id
    if not schedule and stated.commodity_code == "CORN":
        schedule = tickets.US_CORN
    return tickets.weigh(
        Decimal(message.gross_weight), Decimal(message.tare_weight), message.weight_unit,
        unit_mass(stated.unit, commodity.base_unit, Decimal(commodity.unit_mass_kg)), quality,
        schedule,
    )  # fmt: skip


def unit_mass(unit: str, base_unit: str, base_mass_kg: Decimal) -> Decimal:
    """Returns the mass of a unit of a contract in kilograms."""
    known = {"t": Decimal(1000), "kg": Decimal(1), "qtl": Decimal(100)}
    return known.get(unit, base_mass_kg) if unit != base_unit else base_mass_kg
