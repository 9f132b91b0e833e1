"""Use cases of deliveries: announcing, weighing, grading, accepting."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, timedelta
from decimal import Decimal
from typing import Final, TypeVar

from sqlalchemy import Connection

from farmgate.api.contracts.v1 import delivery_types_pb2
from farmgate.contracts import matters, store, terms, tickets
from farmgate.contracts.applying import Applying, averaged, check_deliverable
from farmgate.contracts.loads import ticket_of
from farmgate.contracts.steps import SYSTEM, Actor, Steps
from farmgate.contracts.values import ACTIVE, BUYER, FORCE_MAJEURE, Contract, Delivery
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.errors import DomainError, invalid

M = TypeVar("M", bound=Serializable)
Message = delivery_types_pb2.Delivery
Change = Callable[[Connection, Contract, Message], None]
_ACCEPT_AFTER: Final = timedelta(hours=48)
_SPLITS_SUM: Final = Decimal(100)


class Deliveries:
    """Takes loads onto contracts.

    Args:
        database: Where they are kept.
        steps: Makes steps.
        applying: Makes loads count.
    """

    def __init__(self, database: Database, steps: Steps, applying: Applying) -> None:
        self._database = database
        self._steps = steps
        self._applying = applying

    async def schedule(
        self, actor: Actor, contract_id: str, given: Message, effect: Effect[Delivery, M]
    ) -> M:
        """Announces a load.

        Raises:
            DomainError: NOT_A_PARTY, CONTRACT_STATE, FM_SUSPENDED, OUTSIDE_DELIVERY_WINDOW,
                SPLITS_NOT_100, NOT_FOUND for an account, or INVALID_ARGUMENT.
        """

        def write(connection: Connection) -> None:
            contract, _ = self._steps.own(connection, contract_id, actor, "deliver", (ACTIVE,))
            check_deliverable(contract)
            expected = terms.day("expected_date", given.expected_date)
            assert expected is not None, "The API demands it."
            self._check_window(connection, contract, expected)
            self._check_splits(connection, given)
            if Decimal(given.expected_quantity) <= 0:
                raise invalid("expected_quantity", "must be more than 0")
            number = len(store.deliveries_of(connection, contract_id)) + 1
            message = Message()
            message.CopyFrom(given)
            message.contract_id = contract_id
            message.location_code = given.location_code or contract.message().delivery.location_code
            delivery = Delivery(
                self._steps.ids.ulid(), contract_id, number, "SCHEDULED",
                message.SerializeToString(), "0", None, "", 1,
            )  # fmt: skip
            store.put_delivery(connection, delivery, is_new=True)
            detail = {"ticket": number, "day": given.expected_date, "delivery_id": delivery.id}
            self._steps.step(connection, contract, "delivery.scheduled", actor, detail=detail)
            effect.record(connection, delivery, resource=f"delivery/{delivery.id}")

        await self._database.write(write)
        return effect.reply

    async def page(self, actor: Actor, contract_id: str, state: str) -> list[Delivery]:
        """Returns the deliveries on a contract by ticket.

        Raises:
            DomainError: NOT_A_PARTY.
        """

        def read(connection: Connection) -> list[Delivery]:
            self._steps.found(connection, contract_id, actor)
            return store.deliveries_of(connection, contract_id, state)

        return await self._database.read(read)

    async def get(self, actor: Actor, delivery_id: str) -> Delivery:
        """Returns a delivery.

        Raises:
            DomainError: NOT_FOUND.
        """
        return await self._database.read(lambda tx: self._found(tx, delivery_id, actor)[0])

    async def weigh_in(
        self, inspector: Actor, delivery_id: str, gross: str, unit: str, vehicle: str,
        expected: int, effect: Effect[Delivery, M],
    ) -> M:  # fmt: skip
        """Notes the weight of the full vehicle.

        Raises:
            DomainError: NOT_FOUND, PERMISSION_DENIED for a party, RESOURCE_STATE,
                VERSION_CONFLICT, OUTSIDE_DELIVERY_WINDOW or INVALID_ARGUMENT.
        """
        if Decimal(gross) <= 0:
            raise invalid("gross_weight", "must be more than 0")
        if unit not in {"lb", "kg", "t"}:
            raise invalid("weight_unit", "must be lb, kg or t")

        def change(connection: Connection, contract: Contract, message: Message) -> None:
            check_deliverable(contract)
            self._check_window(connection, contract, self._steps.clock.now().date())
            message.gross_weight = gross
            message.weight_unit = unit
            message.vehicle = vehicle or message.vehicle
            message.inspector_id = inspector.user_id
            message.weigh_in_time.FromDatetime(self._steps.clock.now())

        return await self._inspect(
            inspector, delivery_id, ("SCHEDULED",), "WEIGHED_IN", change, expected, effect
        )

    async def grade(
        self, inspector: Actor, delivery_id: str,
        quality: Sequence[delivery_types_pb2.QualityReading], photos: Sequence[str], expected: int,
        effect: Effect[Delivery, M],
    ) -> M:  # fmt: skip
        """Notes the measured quality.

        Raises:
            DomainError: As `weigh_in`.
        """
        names = [one.parameter for one in quality]
        if len(set(names)) != len(names):
            raise invalid("quality", "may name each parameter once")

        def change(connection: Connection, contract: Contract, message: Message) -> None:
            message.photo_cids.extend(photos)
            if not message.is_resampled:
                del message.quality[:]
                message.quality.extend(quality)
                return
            if message.inspector_id == inspector.user_id:
                raise DomainError("PERMISSION_DENIED")
            averaged(message, quality)
            message.inspector_id = inspector.user_id
            self._compute(connection, contract, message)

        return await self._inspect(
            inspector, delivery_id, ("WEIGHED_IN", "RESAMPLE"), "GRADED", change, expected, effect
        )

    async def weigh_out(
        self, inspector: Actor, delivery_id: str, tare: str, expected: int,
        effect: Effect[Delivery, M],
    ) -> M:  # fmt: skip
        """Notes the weight of the empty vehicle; the load is then computed.

        Raises:
            DomainError: As `weigh_in`.
        """

        def change(connection: Connection, contract: Contract, message: Message) -> None:
            if not 0 < Decimal(tare) < Decimal(message.gross_weight):
                raise invalid("tare_weight", "must be more than 0 and below the gross weight")
            message.tare_weight = tare
            message.weigh_out_time.FromDatetime(self._steps.clock.now())
            self._compute(connection, contract, message)

        return await self._inspect(
            inspector, delivery_id, ("GRADED",), "WEIGHED_OUT", change, expected, effect
        )

    async def accept(
        self, actor: Actor, delivery_id: str, *, takes_discount: bool, expected: int,
        effect: Effect[Delivery, M],
    ) -> M:  # fmt: skip
        """Accepts a load, which then counts for the contract; the buyer does.

        Raises:
            DomainError: NOT_FOUND, PERMISSION_DENIED, RESOURCE_STATE, VERSION_CONFLICT,
                QUALITY_REJECTED or DELIVERY_EXCEEDS_TOLERANCE.
        """

        def write(connection: Connection) -> None:
            delivery, contract = self._decidable(connection, delivery_id, actor, expected, "accept")
            message = Message.FromString(delivery.document)
            is_bad = message.grade_result == delivery_types_pb2.GRADE_RESULT_REJECTABLE
            if is_bad and not takes_discount:
                ticket = ticket_of(connection, contract, message)
                raise DomainError("QUALITY_REJECTED", parameter=ticket.rejectable)
            changed = self._applying.apply(connection, contract, delivery, actor)
            effect.record(connection, changed, resource=f"delivery/{delivery_id}")

        await self._database.write(write)
        return effect.reply

    async def reject(
        self, actor: Actor, delivery_id: str, note: str, expected: int,
        effect: Effect[Delivery, M],
    ) -> M:  # fmt: skip
        """Rejects a load that is outside what must be taken; the buyer does.

        Raises:
            DomainError: NOT_FOUND, PERMISSION_DENIED, RESOURCE_STATE or VERSION_CONFLICT.
        """

        def write(connection: Connection) -> None:
            delivery, contract = self._decidable(connection, delivery_id, actor, expected, "reject")
            message = Message.FromString(delivery.document)
            if message.grade_result != delivery_types_pb2.GRADE_RESULT_REJECTABLE:
                raise DomainError(
                    "RESOURCE_STATE", resource="delivery", id=delivery_id,
                    state="within what must be taken", action="rejecting",
                )  # fmt: skip
            changed = replace(
                delivery, state="REJECTED", accept_by=None, version=delivery.version + 1
            )
            store.put_delivery(connection, changed)
            detail = {"ticket": delivery.ticket, "note": note}
            self._steps.step(connection, contract, "delivery.rejected", actor, detail=detail)
            effect.record(connection, changed, resource=f"delivery/{delivery_id}")

        await self._database.write(write)
        return effect.reply

    async def void(
        self, actor: Actor, delivery_id: str, reason: str, expected: int,
        effect: Effect[Delivery, M],
    ) -> M:  # fmt: skip
        """Strikes a load that has not counted yet; an admin does.

        Raises:
            DomainError: NOT_FOUND, RESOURCE_STATE or VERSION_CONFLICT.
        """

        def write(connection: Connection) -> None:
            delivery, contract = self._found(connection, delivery_id, actor)
            _check_version(delivery, expected)
            if delivery.state in {"APPLIED", "VOID"}:
                raise _state(delivery, "void")
            changed = replace(delivery, state="VOID", accept_by=None, version=delivery.version + 1)
            store.put_delivery(connection, changed)
            detail = {"ticket": delivery.ticket, "note": reason}
            self._steps.step(
                connection, contract, "delivery.voided", actor, detail=detail, tells=()
            )
            effect.record(connection, changed, resource=f"delivery/{delivery_id}", reason=reason)

        await self._database.write(write)
        return effect.reply

    async def resample(
        self, actor: Actor, delivery_id: str, note: str, expected: int,
        effect: Effect[Delivery, M],
    ) -> M:  # fmt: skip
        """Has a load graded once more, by another inspector; either party may ask, once.

        Raises:
            DomainError: NOT_FOUND, RESOURCE_STATE or VERSION_CONFLICT.
        """

        def write(connection: Connection) -> None:
            delivery, contract = self._found(connection, delivery_id, actor)
            _check_version(delivery, expected)
            message = Message.FromString(delivery.document)
            if delivery.state != "WEIGHED_OUT" or contract.state != ACTIVE or message.is_resampled:
                raise _state(delivery, "a second grading")
            message.is_resampled = True
            message.first_quality.extend(message.quality)
            message.ClearField("accept_by")
            changed = replace(
                delivery, state="RESAMPLE", document=message.SerializeToString(), accept_by=None,
                version=delivery.version + 1,
            )  # fmt: skip
            store.put_delivery(connection, changed)
            detail = {"ticket": delivery.ticket, "note": note, "delivery_id": delivery_id}
            self._steps.step(connection, contract, "delivery.resample", actor, detail=detail)
            effect.record(connection, changed, resource=f"delivery/{delivery_id}")

        await self._database.write(write)
        return effect.reply

    def _compute(self, connection: Connection, contract: Contract, message: Message) -> None:
        """Notes what a load comes to, and until when nobody need decide it."""
        ticket = ticket_of(connection, contract, message)
        message.net_weight = _plain(ticket.net)
        message.shrink = _plain(ticket.net * ticket.shrink_pct / 100)
        message.net_quantity = _plain(ticket.units)
        message.discount_per_unit = _plain(ticket.discount + ticket.drying)
        message.grade_result = _result(ticket)
        message.ClearField("accept_by")
        if not ticket.rejectable:
            message.accept_by.FromDatetime(self._steps.clock.now() + _ACCEPT_AFTER)

    async def _inspect(
        self, inspector: Actor, delivery_id: str, states: Sequence[str], after: str,
        change: Change, expected: int, effect: Effect[Delivery, M],
    ) -> M:  # fmt: skip
        def write(connection: Connection) -> None:
            delivery, contract = self._found(connection, delivery_id, SYSTEM)
            if contract.party(inspector.user_id):
                raise DomainError("PERMISSION_DENIED")
            _check_version(delivery, expected)
            if delivery.state not in states or contract.state != ACTIVE:
                raise _state(delivery, after)
            message = Message.FromString(delivery.document)
            change(connection, contract, message)
            # A second grading is of a load that was weighed out already.
            reached = "WEIGHED_OUT" if delivery.state == "RESAMPLE" else after
            until = None
            if message.HasField("accept_by"):
                until = message.accept_by.ToDatetime(tzinfo=UTC)
            changed = replace(
                delivery, state=reached, document=message.SerializeToString(), accept_by=until,
                version=delivery.version + 1,
            )  # fmt: skip
            store.put_delivery(connection, changed)
            if reached == "WEIGHED_OUT":
                name = delivery_types_pb2.GradeResult.Name(message.grade_result)
                detail = {
                    "ticket": delivery.ticket,
                    "grade": name.removeprefix("GRADE_RESULT_").lower(),
                }
                self._steps.step(connection, contract, "delivery.graded", inspector, detail=detail)
            effect.record(connection, changed, resource=f"delivery/{delivery_id}")

        await self._database.write(write)
        return effect.reply

    def _decidable(
        self, connection: Connection, delivery_id: str, actor: Actor, expected: int, action: str
    ) -> tuple[Delivery, Contract]:
        delivery, contract = self._found(connection, delivery_id, actor)
        if contract.party(actor.user_id) != BUYER:
            raise DomainError("PERMISSION_DENIED")
        _check_version(delivery, expected)
        if delivery.state != "WEIGHED_OUT" or contract.state != ACTIVE:
            raise _state(delivery, action)
        return delivery, contract

    def _found(
        self, connection: Connection, delivery_id: str, actor: Actor
    ) -> tuple[Delivery, Contract]:
        delivery = store.delivery(connection, delivery_id)
        contract = store.contract(connection, delivery.contract_id) if delivery else None
        is_party = contract is not None and contract.party(actor.user_id)
        if delivery is None or contract is None or not (is_party or actor.reaches_all):
            raise DomainError("NOT_FOUND", resource="delivery", id=delivery_id)
        return delivery, contract

    def _check_window(self, connection: Connection, contract: Contract, day: date) -> None:
        matters.refuse_while(connection, contract, "delivering", {FORCE_MAJEURE})
        start = date.fromisoformat(contract.delivery_start)
        end = matters.last_day(connection, contract).date() - timedelta(days=1)
        if not start <= day <= end:
            raise DomainError("OUTSIDE_DELIVERY_WINDOW", start=start, end=end)

    def _check_splits(self, connection: Connection, message: Message) -> None:
        if not message.splits:
            return
        total = sum((Decimal(one.share_pct) for one in message.splits), start=Decimal(0))
        if total != _SPLITS_SUM:
            raise DomainError("SPLITS_NOT_100", sum=_plain(total))
        names = [one.account_id for one in message.splits]
        if len(set(names)) != len(names) or any(
            Decimal(one.share_pct) <= 0 for one in message.splits
        ):
            raise invalid("splits", "must name each account once, with a share above 0")
        for name in names:
            user = self._steps.users.by_account(connection, name)
            if user is None or user.account_number is None:
                raise DomainError("NOT_FOUND", resource="account", id=name)


def _result(ticket: tickets.Ticket) -> delivery_types_pb2.GradeResult.ValueType:
    if ticket.rejectable:
        return delivery_types_pb2.GRADE_RESULT_REJECTABLE
    if ticket.discount or ticket.drying:
        return delivery_types_pb2.GRADE_RESULT_DISCOUNT
    return delivery_types_pb2.GRADE_RESULT_WITHIN


def _check_version(delivery: Delivery, expected: int) -> None:
    if expected not in {0, delivery.version}:
        raise DomainError("VERSION_CONFLICT", actual=delivery.version, expected=expected)


def _state(delivery: Delivery, action: str) -> DomainError:
    return DomainError(
        "RESOURCE_STATE", resource="delivery", id=delivery.id, state=delivery.state, action=action
    )


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}" if number else "0"
