"""Asks for the payment of statements."""

from dataclasses import replace

from sqlalchemy import Connection

from farmgate.contracts import money, statements, store
from farmgate.contracts.steps import Steps
from farmgate.contracts.values import CASH_MINOR, Contract, Statement


def ask_payment(connection: Connection, steps: Steps, contract: Contract, one: Statement) -> None:
    """Asks for what a statement comes to, each account its share."""
    seller, buyer = money.accounts(connection, steps, contract)
    left = one.net_minor
    for number, (account_id, share) in enumerate(
        sorted(statements.shares(connection, one).items()), start=1
    ):
        user = steps.users.by_account(connection, account_id)
        assert user is not None, "Accounts of splits are known."
        assert user.account_number is not None, "They are open."
        amount = int(share * CASH_MINOR)
        if user.account_number != seller and 0 < amount <= left:
            left -= amount
            money.ask(
                connection, steps, contract, f"{money.PAYMENT}_{number}", source=buyer,
                target=user.account_number, amount_minor=amount, reference=one.id,
            )  # fmt: skip
    source, target = (buyer, seller) if left >= 0 else (seller, buyer)
    money.ask(
        connection, steps, contract, money.PAYMENT, source=source, target=target,
        amount_minor=abs(left), reference=one.id,
    )  # fmt: skip
    if one.net_minor == 0:
        store.put_statement(connection, replace(one, state="PAID"))


def ask_rulings(connection: Connection, steps: Steps, contract: Contract) -> None:
    """Asks for what rulings gave on a contract that is cancelled: they outlive it."""
    for one in store.statements_of(connection, contract.id):
        if one.state == "FINAL":
            ask_payment(connection, steps, contract, one)
