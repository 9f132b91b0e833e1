"""Forward contracts' part in the process."""

from decimal import Decimal
from typing import Final

from sqlalchemy import Connection

from farmgate.app.parts.base import Base, Part
from farmgate.app.parts.blockchain import Opened as Chain
from farmgate.app.parts.contract_logic import contract_logic
from farmgate.app.parts.contract_prices import MarketPrices
from farmgate.app.parts.users import Opened as People
from farmgate.contracts import store
from farmgate.contracts.documents import Documents
from farmgate.contracts.loads import unit_mass
from farmgate.contracts.matter_service import (
    AmendmentServicer,
    DisputeServicer,
    ForceMajeureServicer,
    RemedyServicer,
)
from farmgate.contracts.money import Mover
from farmgate.contracts.performance_service import (
    ContractSigningServicer,
    DeliveryServicer,
    SettlementServicer,
    WeighingServicer,
)
from farmgate.contracts.pricing_service import PricingServicer
from farmgate.contracts.reminding import REMIND, REMIND_SCHEDULE, Reminding
from farmgate.contracts.service import (
    ContractEventServicer,
    ContractServicer,
    NegotiationServicer,
    TemplateServicer,
)
from farmgate.contracts.steps import Steps
from farmgate.jobs.feed import Feed
from farmgate.jobs.kinds import Job
from farmgate.jobs.periodic import Periodic
from farmgate.market import store as market_store
from farmgate.ports.matching import Matching

_TICK_S: Final = 0.5
_KG_PER_T: Final = Decimal(1000)


def part(base: Base, matching: Matching, chain: Chain, people: People) -> Part:
    """Returns contracts from draft to settlement, and what drives them on.

    Args:
        base: What it builds on.
        matching: The core, where the money is.
        chain: The chain and the content.
        people: Wallets and farms, which open contracts bind.
    """
    database, library = base.database, chain.library
    steps = Steps(base.users, base.clock, base.ids)
    logic = contract_logic(
        database, steps, chain.operations, chain.contract_wallets, library, MarketPrices(matching)
    )
    performance = logic.performance
    mover = Mover(database, steps, matching, performance.on_transfer)
    feed = Feed("contracts", lambda: database.read(store.last_sequence))
    chain.operations.listen(performance.on_chain)
    library.know_parties(_is_party)
    people.wallets.lock_by(store.is_bound)
    people.farms.commit_by(_promised_t)
    return Part(
        servicers=[
            ContractServicer(
                logic.negotiation,
                logic.ending,
                logic.reading,
                logic.settlement,
                performance,
                base.pager,
            ),
            NegotiationServicer(logic.negotiation, logic.ending),
            TemplateServicer(),
            ContractEventServicer(logic.reading, feed, base.pager),
            ContractSigningServicer(logic.signing, Documents(database, steps, library)),
            DeliveryServicer(logic.deliveries),
            WeighingServicer(logic.deliveries),
            PricingServicer(logic.fixing, logic.firm_offers, base.pager),
            SettlementServicer(logic.settlement),
            AmendmentServicer(logic.amendments, base.pager),
            DisputeServicer(logic.disputes, base.pager),
            ForceMajeureServicer(logic.suspensions, base.pager),
            RemedyServicer(logic.remedies),
        ],
        components=[
            feed,
            Periodic("contracts", _TICK_S, performance.run),
            Periodic("transfers", _TICK_S, mover.run),
        ],
        jobs=[Job(REMIND, Reminding(database, steps).run)],
        schedules=work().schedules,
    )


def work() -> Part:
    """Returns when people are reminded, for the process that keeps schedules."""
    return Part(schedules=[REMIND_SCHEDULE])


def count(connection: Connection) -> dict[str, dict[str, int]]:
    """Returns how many contracts are in each state, for the statistics."""
    return {"contracts": store.counts(connection)}


def open_count(connection: Connection, user_id: str) -> int:
    """Returns how many contracts bind a user."""
    return store.open_count(connection, user_id)


def _is_party(connection: Connection, contract_id: str, user_id: str) -> bool:
    contract = store.contract(connection, contract_id)
    return contract is not None and bool(contract.party(user_id))


def _promised_t(connection: Connection, farm_id: str, commodity: str) -> Decimal:
    """Returns the tonnes of a commodity that open contracts promise of a farm."""
    row = market_store.commodity(connection, commodity)
    if row is None:
        return Decimal(0)
    total = Decimal(0)
    for contract in store.of_farm(connection, farm_id, commodity):
        unit = contract.message().unit
        mass = unit_mass(unit, row.base_unit, Decimal(row.unit_mass_kg))
        total += Decimal(contract.quantity) * mass / _KG_PER_T
    return total.quantize(Decimal("0.001"))
