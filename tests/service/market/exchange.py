"""The exchange that tests of the market are about."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from farmgate.api.market.v1 import market_pb2_grpc
from farmgate.app.seeding.ground import Ground
from farmgate.db.engine import Database
from farmgate.market import settlement_store
from farmgate.market.facade import Calendars
from farmgate.market.settlement_store import DailySettlement
from farmgate.market.settling import Settling
from farmgate.ports.clock import FakeClock
from farmgate.ports.matching import Matching
from farmgate.trading.candles import CandleProjector
from farmgate.trading.tables import trades
from service.admin.operators import with_role
from support import Api, SignedIn


@dataclass
class Market:
    """The exchange, its core, and a stub of its market."""

    api: Api
    ground: Ground
    clock: FakeClock
    history: Database
    settling: Settling
    _trade_ids: list[int] = field(default_factory=lambda: [0])

    @property
    def matching(self) -> Matching:
        return self.ground.matching

    @property
    def stub(self) -> Any:
        return market_pb2_grpc.MarketServiceStub(self.api.channel)

    def traded(self, symbol: str, at: datetime, *trading: tuple[int, int]) -> None:
        """Writes trades, each of a price in ticks and lots, as the projector does."""
        (found,) = self.matching.instruments([symbol])
        rows = []
        for price, lots in trading:
            self._trade_ids[0] += 1
            rows.append({
                "trade_id": self._trade_ids[0], "instrument": found["number"],
                "price_ticks": price, "quantity_lots": lots, "aggressor": 1, "maker_order": 1,
                "maker_account": 1, "maker_fee_minor": 0, "taker_order": 2, "taker_account": 2,
                "taker_fee_minor": 0, "trade_time_ns": int(at.timestamp()) * 1_000_000_000,
                "sequence": self._trade_ids[0], "kind": 1,
            })  # fmt: skip
        self.history.run(lambda tx: tx.execute(trades.insert(), rows))
        projector = CandleProjector(self.history, Calendars(self.ground.base.database).of)
        while projector.step():
            pass

    async def admin(self) -> SignedIn:
        """Registers somebody who then is an admin."""
        return await with_role(self.api, "ADMIN")

    async def settled(self, symbol: str, price_ticks: int) -> None:
        """Settles an instrument yesterday."""
        now = self.clock.now()
        row = DailySettlement(
            symbol, (now - timedelta(days=1)).date().isoformat(), price_ticks, "1", 0, 1, 9_999, 1,
            9_999, "NONE", 0, now,
        )  # fmt: skip
        await self.ground.base.database.write(lambda tx: settlement_store.add(tx, [row]))
