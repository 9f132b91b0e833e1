"""The chain's and the content's part in the process."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import coincurve
from sqlalchemy import Connection

from farmgate.app.parts.base import Base, Part
from farmgate.app.secrets import operator_key
from farmgate.app.settings import Settings, SettingsError
from farmgate.blockchain.facade import (
    ChainOperations,
    ContractWallets,
    Library,
    address_of,
    checksummed,
    last_sequence,
)
from farmgate.blockchain.jobs import Driver
from farmgate.blockchain.logic import Desk
from farmgate.blockchain.pump import Pump
from farmgate.blockchain.rules import MIB
from farmgate.blockchain.service import BlockchainServicer, ChainEventServicer, ContentServicer
from farmgate.blockchain.shelf import Shelf
from farmgate.blockchain.steps import Policy
from farmgate.errors import DomainError
from farmgate.health.facade import Check
from farmgate.jobs.feed import Feed
from farmgate.ports.chain import Chain
from farmgate.ports.chain_embedded import CHAIN_ID, EmbeddedChain
from farmgate.ports.chain_web3 import http_chain
from farmgate.ports.content import Content, ContentFolder
from farmgate.ports.content_ipfs import ContentIpfs

_GWEI: Final = 10**9
_KEY_BYTES: Final = 32
_BUSY_S: Final = 0.5
_IDLE_S: Final = 1.0
_NODE_S: Final = 2.0
_PINS_IDLE_S: Final = 5.0
_PINS_DOWN_S: Final = 15.0
# After the server answers.
_FIRST_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Opened:
    """The chain and the content, as other modules and the workers use them.

    Attributes:
        operations: Asks for operations, and tells of them.
        contract_wallets: Judges signatures of wallets that are contracts.
        library: Keeps content.
        content: The store of bytes.
        pump: Drives the operations.
        alerts: Hear, in a transaction, of operations that wait too long, by their IDs.
        chain: Gives the chain, opened when it is needed first.
        chain_id: Its number; 0 while there is none.
        key: Private key of the operator.
        policy: How the exchange behaves on the chain.
        is_simulated: Whether it is the chain inside the exchange.
    """

    operations: ChainOperations
    contract_wallets: ContractWallets
    library: Library
    content: Content
    pump: Pump
    alerts: list[Callable[[Connection, str], None]]
    chain: Callable[[], Chain]
    chain_id: int
    key: bytes
    policy: Policy
    is_simulated: bool


def open_chain(base: Base) -> Opened:
    """Returns the chain and the content of these settings; nothing is connected yet.

    Raises:
        SettingsError: The operator's key is not usable.
    """
    settings = base.settings
    key = operator_key(settings)
    operator = _operator(key)
    is_simulated = settings.chain_enabled and not settings.chain_url.get_secret_value()
    if settings.is_production and is_simulated:
        # Nobody outside could look at a chain inside the exchange: there it is none.
        chain_id, is_simulated = 0, False
    elif settings.chain_enabled:
        chain_id = CHAIN_ID if is_simulated else settings.chain_id
    else:
        chain_id = 0
    operations = ChainOperations(
        base.clock,
        base.ids,
        chain_id=chain_id,
        operator=operator,
        is_simulated=is_simulated,
    )
    folder = settings.data_dir / "content"
    address = settings.ipfs_url
    content = ContentIpfs(folder, address) if address else ContentFolder(folder)
    library = Library(
        content, base.clock, base.ids, key=base.secrets.key, has_network=bool(address)
    )
    policy = Policy(settings.chain_confirmations, settings.chain_max_fee_gwei * _GWEI)
    chain = _chain_opener(settings, operator)
    alerts: list[Callable[[Connection, str], None]] = []
    pump = Pump(
        base.database,
        chain,
        chain_id=chain_id,
        clock=base.clock,
        ids=base.ids,
        tell=operations.tell,
        alert=lambda connection, operation_id: _alert(alerts, connection, operation_id),
        key=key,
        policy=policy,
        is_simulated=is_simulated,
    )
    return Opened(
        operations=operations,
        contract_wallets=ContractWallets(chain, operator, is_enabled=bool(chain_id)),
        library=library,
        content=content,
        pump=pump,
        alerts=alerts,
        chain=chain,
        chain_id=chain_id,
        key=key,
        policy=policy,
        is_simulated=is_simulated,
    )


def part(base: Base, opened: Opened, *, drives: bool = True) -> Part:
    """Returns the RPCs of the chain and of content, and what drives both.

    Args:
        base: What it builds on.
        opened: The chain and the content.
        drives: Whether this process works on the chain and pins content; one that does not leaves
            it to another one.
    """
    settings, database = base.settings, base.database
    is_enabled = opened.operations.is_enabled
    operations = Driver(
        "chain operations",
        opened.pump.tick,
        busy_s=_BUSY_S if opened.is_simulated else _NODE_S,
        idle_s=_IDLE_S if opened.is_simulated else _NODE_S,
        first_s=_FIRST_S,
    )
    desk = Desk(
        database, base.clock, opened.operations, chain=opened.chain, pump=opened.pump,
        key=opened.key, policy=opened.policy,
        chain_id=opened.chain_id, is_simulated=opened.is_simulated,
        nudge=operations.nudge,
    )  # fmt: skip

    def pin_due() -> bool:
        return shelf.pin_due()

    pins = Driver(
        "content pins", pin_due, busy_s=_PINS_DOWN_S, idle_s=_PINS_IDLE_S, first_s=_FIRST_S
    )
    quota_bytes = settings.ipfs_user_quota_mib * MIB
    shelf = Shelf(database, opened.library, quota_bytes=quota_bytes, nudge=pins.nudge)
    feed = Feed("chain events", lambda: database.read(last_sequence))
    on_chain = Check("blockchain", is_required=False, probe=_chain_probe(desk))
    return Part(
        servicers=[
            BlockchainServicer(desk, opened.operations, base.pager),
            ContentServicer(shelf),
            ChainEventServicer(database, feed),
        ],
        components=[
            desk,
            shelf,
            feed,
            *([operations] if is_enabled and drives else []),
            *([pins] if settings.ipfs_url and drives else []),
        ],
        checks=[
            *([on_chain] if is_enabled else []),
            Check("content", is_required=False, probe=_content_probe(opened.library)),
        ],
    )


def _operator(key: bytes) -> str:
    try:
        if len(key) != _KEY_BYTES:
            raise ValueError("It is not a private key.")  # noqa: TRY301 - Told below, as others are.
        return checksummed(address_of(coincurve.PrivateKey(key).public_key))
    except ValueError as error:
        raise SettingsError(
            ["FARMGATE_CHAIN_OPERATOR_KEY_FILE must hold a private key, 64 hexadecimal digits."]
        ) from error


def _chain_opener(settings: Settings, operator: str) -> Callable[[], Chain]:
    opened: list[Chain] = []

    def open_() -> Chain:
        if not opened:
            url = settings.chain_url.get_secret_value()
            opened.append(
                http_chain(url, chain_id=settings.chain_id)
                if url
                else EmbeddedChain(settings.data_dir / "chain", operator)
            )
        return opened[0]

    return open_


def _alert(
    alerts: list[Callable[[Connection, str], None]], connection: Connection, operation_id: str
) -> None:
    for alert in alerts:
        alert(connection, operation_id)


def _chain_probe(desk: Desk) -> Callable[[], Awaitable[str]]:
    async def probe() -> str:
        status = await desk.status()
        if not status.is_connected:
            raise DomainError("CHAIN_UNREACHABLE")
        kind = "simulated" if status.is_simulated else "node"
        return f"{kind}, block {status.block_number}, {status.pending_count} pending"

    return probe


def _content_probe(library: Library) -> Callable[[], Awaitable[str]]:
    async def probe() -> str:
        return await asyncio.get_running_loop().run_in_executor(None, library.probe)

    return probe
