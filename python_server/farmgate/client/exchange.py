"""The client: all calls and streams, and what else the exchange offers by its parts."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from farmgate.api.ai.v1 import ai_pb2, ai_pb2_grpc
from farmgate.api.contracts.v1 import (
    contracts_pb2,
    contracts_pb2_grpc,
    signing_pb2,
    signing_pb2_grpc,
    templates_pb2,
    templates_pb2_grpc,
)
from farmgate.api.trading.v1 import trading_pb2, trading_pb2_grpc
from farmgate.client.connection import Connection
from farmgate.client.streams import Streams
from farmgate.client.values import Rows

_ADDRESS: Final = os.environ.get("FARMGATE_ADDRESS", "127.0.0.1:50051")
_DEMO_DOMAIN: Final = "farmgate.example"
_DEMO_PASSWORD: Final = "Demo-Pass-2026!"  # noqa: S105 - Everybody's, and of the demonstration only.
_PAGE: Final = 500


class Farmgate(Streams):
    """The exchange.

    Attributes:
        contracts: Forward contracts.
        proofs: Proofs that orders were treated fairly.
        sim: Simulations on the matching core.
    """

    def __init__(self, address: str = _ADDRESS, **given: Any) -> None:
        super().__init__(address, **given)
        self.contracts = Contracts(self)
        self.proofs = Proofs(self)
        self.sim = Simulations(self)

    @classmethod
    @asynccontextmanager
    async def demo(
        cls, name: str = "trader.meridian", address: str = _ADDRESS
    ) -> AsyncIterator["Farmgate"]:
        """Opens an exchange with demonstration data as one of its users."""
        async with cls(address) as farm:
            await farm.login(f"{name}@{_DEMO_DOMAIN}", _DEMO_PASSWORD)
            yield farm

    async def fetch_forecast(self, symbol: str, horizon: int = 0) -> ai_pb2.GetForecastResponse:
        """Returns the newest forecast of a series.

        Raises:
            FarmgateError: `ModelNotReady` and others.
        """
        stub = ai_pb2_grpc.ForecastServiceStub(self.channel)
        request = ai_pb2.GetForecastRequest(symbol=symbol, horizon=horizon)
        reply: ai_pb2.GetForecastResponse = await self.call(stub.GetForecast, request)
        return reply


class Contracts:
    """Forward contracts; terms and what comes back are the API's own messages.

    Args:
        connection: The exchange.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def templates(self) -> Rows[templates_pb2.ContractTemplate]:
        """Returns the templates."""
        stub = templates_pb2_grpc.TemplateServiceStub(self._connection.channel)
        request = templates_pb2.ListTemplatesRequest(page_size=_PAGE)
        return Rows((await self._connection.call(stub.ListTemplates, request)).templates)

    async def template(self, code: str) -> templates_pb2.ContractTemplate:
        """Returns a template."""
        stub = templates_pb2_grpc.TemplateServiceStub(self._connection.channel)
        request = templates_pb2.GetTemplateRequest(code=code)
        found: templates_pb2.ContractTemplate = (
            await self._connection.call(stub.GetTemplate, request)
        ).template
        return found

    async def create(self, request: contracts_pb2.CreateContractRequest) -> Any:
        """Makes a draft; returns the contract."""
        return (await self._connection.call(self._stub.CreateContract, request)).contract

    async def fetch(self, contract_id: str) -> Any:
        """Returns a contract."""
        request = contracts_pb2.GetContractRequest(contract_id=contract_id)
        return (await self._connection.call(self._stub.GetContract, request)).contract

    async def fetch_all(self, limit: int = 100) -> Rows[Any]:
        """Returns contracts of one's own, newest first."""
        found, token = Rows[Any](), ""
        while len(found) < limit:
            request = contracts_pb2.ListContractsRequest(
                page_size=min(_PAGE, limit - len(found)), page_token=token
            )
            reply = await self._connection.call(self._stub.ListContracts, request)
            found += reply.contracts
            token = reply.next_page_token
            if not token:
                break
        return found

    async def verify(self, contract: str) -> Any:
        """Checks a contract by its ID, or by the hash of its terms, which anybody may.

        Args:
            contract: ID, or Keccak-256 of the terms as hexadecimal with 0x.
        """
        stub = signing_pb2_grpc.ContractSigningServiceStub(self._connection.channel)
        if contract.startswith("0x"):
            by_hash = signing_pb2.VerifyContractByHashRequest(terms_hash=contract)
            return (await self._connection.call(stub.VerifyContractByHash, by_hash)).verification
        request = signing_pb2.VerifyContractRequest(contract_id=contract)
        return (await self._connection.call(stub.VerifyContract, request)).verification

    @property
    def _stub(self) -> contracts_pb2_grpc.ContractServiceStub:
        return contracts_pb2_grpc.ContractServiceStub(self._connection.channel)


class Proofs:
    """Proofs that orders were treated fairly.

    Args:
        connection: The exchange.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def receipt(self, order_id: int) -> trading_pb2.GetReceiptResponse:
        """Returns the signed receipt of an order."""
        request = trading_pb2.GetReceiptRequest(order_id=order_id)
        reply: trading_pb2.GetReceiptResponse = await self._connection.call(
            self._stub.GetReceipt, request
        )
        return reply

    async def inclusion(self, sequence: int) -> trading_pb2.GetInclusionProofResponse:
        """Returns the way from a journal entry to the root of its day."""
        request = trading_pb2.GetInclusionProofRequest(sequence=sequence)
        reply: trading_pb2.GetInclusionProofResponse = await self._connection.call(
            self._stub.GetInclusionProof, request
        )
        return reply

    async def anchor(self, date: str) -> trading_pb2.GetJournalAnchorResponse:
        """Returns the root of a day, YYYY-MM-DD, and where it is on chain."""
        request = trading_pb2.GetJournalAnchorRequest(date=date)
        reply: trading_pb2.GetJournalAnchorResponse = await self._connection.call(
            self._stub.GetJournalAnchor, request
        )
        return reply

    @property
    def _stub(self) -> trading_pb2_grpc.ProofServiceStub:
        return trading_pb2_grpc.ProofServiceStub(self._connection.channel)


class Simulations:
    """Simulations on the matching core.

    Args:
        connection: The exchange.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def run(
        self, symbol: str, commands: int = 0, *, seed: int = 0, first: int = 0, last: int = 0,
        on_progress: Callable[[trading_pb2.Simulation], None] | None = None,
    ) -> trading_pb2.Simulation:  # fmt: skip
        """Runs a flow of orders through a core of its own; returns what came of it.

        Args:
            symbol: The instrument.
            commands: Commands to generate; 0 for a range of the journal.
            seed: Seed of the generated flow.
            first: First journal sequence of the range.
            last: Last journal sequence of the range.
            on_progress: Called as it gets on.
        """
        stub = trading_pb2_grpc.TradingServiceStub(self._connection.channel)
        request = trading_pb2.RunSimulationRequest(
            symbol=symbol, command_count=commands, seed=seed, from_sequence=first,
            to_sequence=last,
        )  # fmt: skip
        found: trading_pb2.Simulation = (
            await self._connection.call(stub.RunSimulation, request)
        ).simulation
        watch = trading_pb2.WatchSimulationRequest(simulation_id=found.simulation_id)
        async for step in self._connection.stream(stub.WatchSimulation, watch):
            found = step.simulation
            if on_progress is not None:
                on_progress(found)
        return found
