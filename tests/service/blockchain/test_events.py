"""The stream of chain events: CHN-060 to CHN-063."""

import asyncio
from typing import Any

import grpc
import pytest

from chain_api import ChainApi
from farmgate.api.blockchain.v1 import chain_events_pb2
from farmgate.blockchain import event_store, store
from farmgate.blockchain.facade import Event
from support import refusal_of

WATCH = chain_events_pb2.WatchChainEventsRequest


async def take(stream: Any, count: int) -> list[Any]:
    """Returns so many events of a stream, without its heartbeats."""
    found = []
    async for step in stream:
        if not step.is_heartbeat:
            found.append(step.event)
        if len(found) == count:
            stream.cancel()
            break
    return found


def told(events: list[Any]) -> list[tuple[str, bool, bool]]:
    return [(event.name, event.is_confirmed, event.is_removed) for event in events]


async def test_events_come_when_they_are_seen_and_confirmed(chain_on_any: ChainApi) -> None:
    """CHN-060."""
    chain = chain_on_any
    person = await chain.person()
    stream = chain.watch(person)
    first = asyncio.create_task(take(stream, 2))
    operation = await chain.register()
    events = await first
    assert told(events) == [("Registered", False, False), ("Registered", True, False)]
    assert {event.reference for event in events} == {operation.reference}
    assert events[0].address == operation.to_address
    assert events[0].block_time.seconds > 1_700_000_000


async def test_stream_goes_on_where_it_ended(chain: ChainApi) -> None:
    """CHN-061: no gap and no event twice."""
    person = await chain.person()
    one = await chain.register()
    await chain.confirmed(one)
    two = await chain.register()
    await chain.confirmed(two)
    whole = await take(chain.watch(person, from_block=1), 4)
    seen = [event for event in whole if not event.is_confirmed]
    assert [event.reference for event in seen] == [one.reference, two.reference]
    after = seen[0]
    rest = await take(
        chain.watch(
            person, from_block=after.block_number, from_log_index=after.log_index + 1,
            names=["Registered"], reference=two.reference,
        ),
        2,
    )  # fmt: skip
    assert told(rest) == [("Registered", False, False), ("Registered", True, False)]
    assert {event.reference for event in rest} == {two.reference}


async def test_what_the_chain_takes_back_comes_again_as_removed(chain: ChainApi) -> None:
    """CHN-062."""
    person = await chain.person()
    operation = await chain.register()
    event = await chain.confirmed(operation)
    stream = chain.watch(person, from_block=event.block_number)
    waiting = asyncio.create_task(take(stream, 3))
    await chain.database.write(lambda tx: event_store.remove_above(tx, event.block_number - 1))
    events = await waiting
    assert told(events) == [
        ("Registered", False, False),
        ("Registered", True, False),
        ("Registered", False, True),
    ]
    found = await chain.database.read(
        lambda tx: chain.opened.operations.evidence(tx, operation.reference)
    )
    assert found == []


async def test_quiet_stream_beats(chain: ChainApi) -> None:
    person = await chain.person()
    stream = chain.watch(person, names=["Settled"])
    async for step in stream:
        assert step.is_heartbeat
        stream.cancel()
        break


async def test_stream_is_for_who_is_signed_in(chain: ChainApi) -> None:
    """CHN-063."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        async for _ in chain.events.WatchChainEvents(WATCH()):
            pass
    assert refusal_of(error.value).reason == "UNAUTHENTICATED"


async def test_block_that_goes_and_comes_back_tells_again(chain: ChainApi) -> None:
    """CHN-030: the same event of the same block, after it was removed."""
    operation = await chain.register()
    await chain.confirmed(operation)

    def again(connection: Any) -> list[Event]:
        (event,) = event_store.events_of(connection, operation.reference)
        event_store.remove_above(connection, event.block_number - 1)
        event_store.set_state(connection, confirmed_block=event.block_number - 1)
        assert event_store.events_of(connection, operation.reference) == []
        event_store.see(connection, event)
        event_store.see(connection, event)
        return event_store.events_of(connection, operation.reference)

    events = await chain.database.write(again)
    assert [event.step for event in events] == ["SEEN"]
    assert await chain.database.read(event_store.has_unconfirmed)
    assert await chain.database.read(store.pending_count) == 0
