"""What KYC levels allow, where it counts: in the core, and where money leaves."""

import asyncio
import uuid
from decimal import Decimal
from typing import Any

from farmgate.api.types.v1 import types_pb2
from farmgate.api.users.v1 import kyc_review_pb2, kyc_review_pb2_grpc, users_pb2
from farmgate.db import configuration
from farmgate.db.configuration import Version
from farmgate.ports.matching import Switch
from farmgate.trading.tables import withdrawals
from farmgate.users.tables import accounts
from service.users.hall import CORN, FORWARD, Hall
from service.users.test_kyc import COMPANY_KINDS, REASON, Calls
from support import SignedIn, refused

BUY, SELL = types_pb2.SIDE_BUY, types_pb2.SIDE_SELL
CASH = 10_000


async def withdraw(hall: Hall, who: SignedIn, amount: str, **given: Any) -> Any:
    """Takes dollars out; `key` makes it recognisable."""
    key = given.pop("key", "")
    metadata = (*who.metadata, ("idempotency-key", key)) if key else who.metadata
    request = users_pb2.WithdrawRequest(**{"asset": "USD", "amount": amount, **given})
    return await hall.api.wallet.Withdraw(request, metadata=metadata)


async def test_level_one_is_bounded_from_the_first_order(hall: Hall) -> None:
    """USR-040, USR-041: 5,000 an order, 10,000 a day, no forwards."""
    person = await hall.person(1)
    await hall.fund(person, "USD", 100_000 * CASH)
    too_large = await refused(hall.order(person, BUY, 12))
    assert (too_large.reason, too_large.metadata["maximum"]) == ("NOTIONAL_MAX", "5000.0000")
    for lots in (11, 11):
        await hall.order(person, BUY, lots)
    assert (await refused(hall.order(person, BUY, 1))).reason == "DAILY_LIMIT"
    barred = await refused(hall.order(person, BUY, 1, symbol=FORWARD))
    assert (barred.reason, barred.metadata["level"]) == ("KYC_LEVEL_REQUIRED", "2")
    assert await hall.balance(person, "USD") == ("100000.0000", "9902.4750")


async def test_the_way_through_the_levels(hall: Hall) -> None:
    """USR-042, scenario A14: barred at level 1, let in by level 2, two approvers for level 3."""
    calls, person = Calls(hall.api), await hall.person(1)
    first, second = await hall.with_role("ADMIN"), await hall.with_role("ADMIN")
    await hall.fund(person, "USD", 1_000_000 * CASH)
    barred = await refused(hall.order(person, BUY, 1, symbol=FORWARD))
    assert (barred.reason, barred.metadata["level"]) == ("KYC_LEVEL_REQUIRED", "2")
    case = await calls.handed_in(person)
    await calls.decide(first, case.case_id, "APPROVE")
    # By the same token: nobody has to sign in again.
    assert (await hall.order(person, BUY, 1, symbol=FORWARD)).order.order_id
    assert (await hall.order(person, BUY, 100)).order.order_id
    for kind in COMPANY_KINDS:
        await calls.upload(person, kind)
    case = await calls.submit(person, 3)
    await calls.decide(first, case.case_id, "APPROVE")
    again = await refused(calls.decide(first, case.case_id, "APPROVE"))
    assert again.reason == "FOUR_EYES_REQUIRED"
    assert (await refused(hall.order(person, BUY, 600))).reason == "DAILY_LIMIT"
    await calls.decide(second, case.case_id, "APPROVE")
    assert (await hall.order(person, BUY, 600)).order.order_id


async def test_a_downgrade_cancels_what_is_above_the_limit(hall: Hall) -> None:
    """USR-043: large orders, forwards, and of the day's the newest; small ones stay."""
    person, admin = await hall.person(1), await hall.with_role("ADMIN")
    await hall.fund(person, "USD", 1_000_000 * CASH)
    calls = Calls(hall.api)
    case = await calls.handed_in(person)
    await calls.decide(admin, case.case_id, "APPROVE")
    kept = [(await hall.order(person, BUY, lots)).order.order_id for lots in (10, 9)]
    for lots, symbol in ((12, "CORN-US2Y-CHI"), (1, FORWARD), (11, "CORN-US2Y-CHI")):
        await hall.order(person, BUY, lots, symbol=symbol)
    await calls.decide(admin, case.case_id, "REVOKE")
    await hall.matching.caught_up()
    number = await hall.number(person)
    assert [hold.order_id for hold in hall.matching.holds(number)] == kept
    assert Switch.NO_FORWARDS in hall.matching.risk(number).switches
    assert (await refused(hall.order(person, BUY, 12))).reason == "NOTIONAL_MAX"


async def test_settings_move_limits_and_agreed_ones_stay(hall: Hall) -> None:
    """USR-044."""
    person, maker = await hall.person(1), await hall.person(1)
    base = hall.api.application.base
    number, other = await hall.number(person), await hall.number(maker)
    await base.database.write(
        lambda tx: tx.execute(
            accounts.update().where(accounts.c.engine_number == other).values(has_own_limits=True)
        )
    )
    now = base.clock.now()
    version = Version("kyc.level1_order", 1, "400", now, person.user.user_id, now, "trying")
    await base.database.write(lambda tx: configuration.add(tx, version))
    await hall.levels.run()
    await hall.matching.caught_up()
    assert hall.matching.risk(number).limits.max_order_notional_minor == 400 * CASH
    assert hall.matching.risk(other).limits.max_order_notional_minor == 5_000 * CASH
    applied = hall.matching.applied_sequence()
    await hall.levels.run()
    assert hall.matching.applied_sequence() == applied, "What holds already is no command."


async def test_withdrawals_need_level_two_and_keep_to_the_day(hall_on_any: Hall) -> None:
    """USR-045, USR-046."""
    hall = hall_on_any
    newcomer, person, rich = await hall.person(1), await hall.person(), await hall.person(3)
    for who in (newcomer, person, rich):
        await hall.fund(who, "USD", 200_000 * CASH)
    low = await refused(withdraw(hall, newcomer, "1"))
    assert (low.reason, low.metadata["level"]) == ("KYC_LEVEL_REQUIRED", "2")
    await withdraw(hall, person, "20000")
    poor = await refused(withdraw(hall, person, "180000.0001"))
    assert poor.reason == "KYC_LIMIT_EXCEEDED"
    answers = await asyncio.gather(
        *(withdraw(hall, person, "20000") for _ in range(8)), return_exceptions=True
    )
    assert sum(not isinstance(one, BaseException) for one in answers) == 1
    above = await refused(withdraw(hall, person, "10000.0001"))
    assert (above.reason, above.metadata["limit"]) == ("KYC_LIMIT_EXCEEDED", "50000 USD a day")
    await withdraw(hall, person, "10000")
    assert await hall.balance(person, "USD") == ("150000.0000", "0.0000")
    assert (await refused(withdraw(hall, rich, "200000.0001"))).reason == "INSUFFICIENT_FUNDS"
    await withdraw(hall, rich, "200000")


async def test_a_withdrawal_left_in_the_middle_is_finished_once(hall: Hall) -> None:
    """USR-047: the process died after the row, or after the core's command."""
    person, base = await hall.person(), hall.api.application.base
    await hall.fund(person, "USD", 100 * CASH)
    number, now = await hall.number(person), base.clock.now()
    for name, amount in (("a", 30), ("b", 30), ("c", 50)):
        row = {
            "id": base.ids.ulid(), "user_id": person.user.user_id, "account": number,
            "asset": "USD", "amount_minor": amount * CASH, "day": now.date().isoformat(),
            "request_key": name, "state": "PENDING", "sequence": 0, "created_at": now,
        }  # fmt: skip
        await base.database.write(lambda tx: tx.execute(withdrawals.insert().values(**row)))  # noqa: B023
        if name == "b":
            key = b"withdrawal/" + row["id"].encode()
            await hall.matching.transfer(number, 1, -amount * CASH, key)
    base.clock.move(91)
    for _ in range(2):
        await hall.funds.run()
    assert await hall.balance(person, "USD") == ("40.0000", "0.0000")
    states = await base.database.read(
        lambda tx: [tuple(row) for row in tx.execute(
            withdrawals.select().with_only_columns(withdrawals.c.request_key, withdrawals.c.state)
            .order_by(withdrawals.c.request_key)
        )]
    )  # fmt: skip
    assert states == [("a", "DONE"), ("b", "DONE"), ("c", "REFUSED")]
    # Its caller comes again: the one that is done answers, and takes nothing.
    person = await hall.again(person)
    again = await withdraw(hall, person, "30", key="b")
    assert again.balance.total == "40.0000"


async def test_64_spends_of_one_balance_leave_one(hall: Hall) -> None:
    """USR-048: orders and withdrawals at once on money for one of them."""
    person, other = await hall.person(3), await hall.person(3)
    cost = Decimal("450.1125")
    await hall.fund(person, "USD", int(cost * CASH))
    await hall.fund(other, CORN, 100_000)

    async def spend(number: int) -> None:
        if number % 4 == 0:
            await withdraw(hall, person, str(cost), key=uuid.uuid4().hex)
        else:
            await hall.order(person, BUY, 1)

    answers = await asyncio.gather(*(spend(n) for n in range(64)), return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in answers) == 1
    sales = await asyncio.gather(
        *(hall.order(other, SELL, 1, "4.6000") for _ in range(64)), return_exceptions=True
    )
    assert sum(not isinstance(one, BaseException) for one in sales) == 1
    await hall.matching.caught_up()
    audits, _ = hall.matching.audit()
    assert [audit.asset for audit in audits] == ["USD", CORN]
    assert all(audit.is_right for audit in audits), audits


async def test_goods_do_not_pass_the_wallet(hall: Hall) -> None:
    """USR-049."""
    person = await hall.person()
    deposit = users_pb2.DepositRequest(asset=CORN, amount="100")
    for call in (
        hall.api.wallet.Deposit(deposit, metadata=person.metadata),
        withdraw(hall, person, "100", asset=CORN),
    ):
        assert (await refused(call)).reason == "INVALID_ARGUMENT"
    for amount in ("0", "-1", "1.00001"):
        assert (await refused(withdraw(hall, person, amount))).reason == "INVALID_ARGUMENT"
    assert (await refused(withdraw(hall, person, "1", asset="XYZ"))).reason == "NOT_FOUND"


async def test_reviews_are_seen_by_the_next_call(hall: Hall) -> None:
    """USR-042: a level that is revoked counts for tokens that are out."""
    calls, admin = Calls(hall.api), await hall.with_role("ADMIN")
    person = await hall.person(1)
    case = await calls.handed_in(person)
    await calls.decide(admin, case.case_id, "APPROVE")
    await hall.fund(person, "USD", 10 * CASH)
    await withdraw(hall, person, "1")
    review: Any = kyc_review_pb2_grpc.KycReviewServiceStub(hall.api.channel)
    request = kyc_review_pb2.DecideKycCaseRequest(
        case_id=case.case_id, decision=kyc_review_pb2.KYC_DECISION_REVOKE, reason=REASON
    )
    await review.DecideKycCase(request, metadata=admin.metadata)
    assert (await refused(withdraw(hall, person, "1"))).reason == "KYC_LEVEL_REQUIRED"
