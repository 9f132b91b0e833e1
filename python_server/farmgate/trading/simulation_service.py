"""The methods of `TradingService` about backtests, and the stream of one book."""

from collections.abc import AsyncIterator

from google.protobuf.timestamp_pb2 import Timestamp

from farmgate.api.trading.v1 import trading_pb2
from farmgate.db.engine import Database
from farmgate.rpc.call import Call
from farmgate.trading import rules
from farmgate.trading.simulations import Run, Simulations, Wanted


class SimulationMethods:
    """Backtests on the same core."""

    _simulations: Simulations
    _database: Database

    async def RunSimulation(
        self, request: trading_pb2.RunSimulationRequest, call: Call
    ) -> trading_pb2.RunSimulationResponse:
        wanted = Wanted(
            request.symbol, request.command_count, request.seed, request.from_sequence,
            request.to_sequence,
        )  # fmt: skip
        caller = call.caller
        run = await self._simulations.run(caller.user_id, caller.account_number, wanted)

        def render(one: Run) -> trading_pb2.RunSimulationResponse:
            return trading_pb2.RunSimulationResponse(simulation=simulation_message(one))

        effect = call.effect(render)
        resource = f"simulation/{run.id}"
        await self._database.write(lambda tx: effect.record(tx, run, resource=resource))
        return effect.reply

    async def GetSimulation(
        self, request: trading_pb2.GetSimulationRequest, call: Call
    ) -> trading_pb2.GetSimulationResponse:
        run = self._simulations.get(call.caller.user_id, request.simulation_id)
        return trading_pb2.GetSimulationResponse(simulation=simulation_message(run))

    async def CancelSimulation(
        self, request: trading_pb2.CancelSimulationRequest, call: Call
    ) -> trading_pb2.CancelSimulationResponse:
        run = await self._simulations.cancel(call.caller.user_id, request.simulation_id)

        def render(one: Run) -> trading_pb2.CancelSimulationResponse:
            return trading_pb2.CancelSimulationResponse(simulation=simulation_message(one))

        effect = call.effect(render)
        resource = f"simulation/{run.id}"
        await self._database.write(lambda tx: effect.record(tx, run, resource=resource))
        return effect.reply

    async def WatchSimulation(
        self, request: trading_pb2.WatchSimulationRequest, call: Call
    ) -> AsyncIterator[trading_pb2.WatchSimulationResponse]:
        async for run in self._simulations.watch(call.caller.user_id, request.simulation_id):
            yield trading_pb2.WatchSimulationResponse(simulation=simulation_message(run))


def simulation_message(run: Run) -> trading_pb2.Simulation:
    """Returns a backtest as it stands."""
    told = run.told
    created = Timestamp()
    created.FromDatetime(run.created_at)
    has_traded = bool(told.get("trades"))
    return trading_pb2.Simulation(
        simulation_id=run.id,
        state=trading_pb2.Simulation.State.ValueType(run.state),
        command_count=told.get("commands", 0),
        command_count_total=told.get("total", 0),
        trade_count=told.get("trades", 0),
        state_hash=told.get("state_hash", ""),
        trades_hash=told.get("events_hash", ""),
        volume_lots=told.get("volume_lots", 0),
        last_price=rules.price(told["last_ticks"], run.instrument["tick_size_micro"])
        if has_traded
        else "",
        result=rules.cash(told.get("result_minor", 0)),
        net_lots=told.get("net_lots", 0),
        create_time=created,
    )
