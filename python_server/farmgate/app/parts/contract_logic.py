"""The use cases of forward contracts, built once, in order."""

from dataclasses import dataclass

from farmgate.blockchain.facade import ChainOperations, ContractWallets, Library
from farmgate.contracts.amendments import Amendments
from farmgate.contracts.applying import Applying
from farmgate.contracts.closing import Closing
from farmgate.contracts.deliveries import Deliveries
from farmgate.contracts.disputes import Disputes
from farmgate.contracts.ending import Ending
from farmgate.contracts.firm_offers import FirmOffers
from farmgate.contracts.force_majeure import Suspensions
from farmgate.contracts.negotiation import Negotiation
from farmgate.contracts.performance import (
    Performance,
    due_of,
    has_deliveries_due,
    has_statements_due,
)
from farmgate.contracts.prices import Prices
from farmgate.contracts.pricing import Fixing
from farmgate.contracts.reading import Reading
from farmgate.contracts.remedies import Remedies
from farmgate.contracts.settlement import Settlement
from farmgate.contracts.signing import Signing
from farmgate.contracts.steps import Steps
from farmgate.contracts.values import AMENDMENT, DEFAULT, FORCE_MAJEURE, WASHOUT
from farmgate.db.engine import Database


@dataclass(frozen=True, slots=True)
class Logic:
    """What can be done with contracts."""

    steps: Steps
    negotiation: Negotiation
    signing: Signing
    ending: Ending
    deliveries: Deliveries
    fixing: Fixing
    firm_offers: FirmOffers
    settlement: Settlement
    amendments: Amendments
    disputes: Disputes
    suspensions: Suspensions
    remedies: Remedies
    performance: Performance
    reading: Reading


def contract_logic(
    database: Database, steps: Steps, operations: ChainOperations, wallets: ContractWallets,
    library: Library, prices: Prices,
) -> Logic:  # fmt: skip
    """Returns the use cases, joined to each other.

    Args:
        database: Where contracts are kept.
        steps: Makes steps.
        operations: Asks the chain.
        wallets: Judges signatures of wallets that are contracts.
        library: Keeps what was signed and stated.
        prices: Says what series and goods are worth.
    """
    ending = Ending(database, steps, operations)
    applying = Applying(steps, prices)
    settlement = Settlement(database, steps, library)
    closing = Closing(steps, ending, settlement)
    fixing = Fixing(database, steps, prices)
    amendments = Amendments(database, steps, operations, wallets, library, prices)
    disputes = Disputes(database, steps, settlement)
    suspensions = Suspensions(database, steps, disputes, closing)
    remedies = Remedies(database, steps, closing, amendments, prices)
    work = (
        (has_statements_due, lambda tx, _: settlement.silence(tx)),
        (has_deliveries_due, applying.accept_due),
        (fixing.is_due, fixing.fix_due),
        (due_of(AMENDMENT), amendments.expire_due),
        (due_of(FORCE_MAJEURE), suspensions.end_due),
        (due_of(DEFAULT, WASHOUT), remedies.close_due),
    )
    return Logic(
        steps=steps,
        negotiation=Negotiation(database, steps, library, prices),
        signing=Signing(database, steps, operations, wallets, library),
        ending=ending,
        deliveries=Deliveries(database, steps, applying),
        fixing=fixing,
        firm_offers=FirmOffers(database, steps),
        settlement=settlement,
        amendments=amendments,
        disputes=disputes,
        suspensions=suspensions,
        remedies=remedies,
        performance=Performance(database, steps, operations, ending, work),
        reading=Reading(database, steps),
    )
