"""The exchange that tests of the market are about."""

from dataclasses import dataclass
from typing import Any

from farmgate.api.market.v1 import market_pb2_grpc
from farmgate.app.seeding.ground import Ground
from farmgate.ports.clock import FakeClock
from farmgate.ports.matching import Matching
from support import Api


@dataclass
class Market:
    """The exchange, its core, and a stub of its market."""

    api: Api
    ground: Ground
    clock: FakeClock

    @property
    def matching(self) -> Matching:
        return self.ground.matching

    @property
    def stub(self) -> Any:
        return market_pb2_grpc.MarketServiceStub(self.api.channel)
