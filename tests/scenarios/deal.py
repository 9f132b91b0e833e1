"""What the parties of a forward contract do, by either face of the exchange."""

import json
import time
from collections.abc import Callable
from typing import Any

from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data

from farmgate.api.contracts.v1 import contract_types_pb2 as types
from farmgate.app.seeding.ground import DOMAIN, PASSWORD
from scenarios.faces import Face, RefusedError

WAIT_S = 90.0
PAUSE_S = 0.05
KEYS = {
    "seller": Account.from_key("0x" + "22" * 32),
    "buyer": Account.from_key("0x" + "11" * 32),
}
NAMES = {
    "seller": "farmer.amara", "buyer": "trader.meridian", "inspector": "inspector.chi",
    "admin": "admin",
}  # fmt: skip
Load = tuple[str, str, dict[str, str]]
# The two loads of the specification's vector: gross, tare, readings; and their bushels.
LOADS: tuple[Load, ...] = (
    ("79540", "26120", {"MOISTURE": "17.3", "TEST_WEIGHT": "53.4", "DAMAGE": "6.2", "BCFM": "4.5"}),
    ("78980", "26100", {"MOISTURE": "14.8", "TEST_WEIGHT": "56.1", "DAMAGE": "2.0", "BCFM": "1.2"}),
)
UNITS = {"79540": "923.21", "78980": "944.29"}


def terms(**given: Any) -> dict[str, Any]:
    """Returns terms: corn at 4.6125, for June and July."""
    stated: dict[str, Any] = {
        "commodity_code": "CORN",
        "grade_code": "US-2-YELLOW",
        "quantity": "1900",
        "price": {"fixed_price": "4.6125"},
        "delivery": {"start": "2026-06-01", "end": "2026-07-31", "location_code": "CHI"},
    }
    for name, value in given.items():
        stated[name] = stated.get(name, {}) | value if isinstance(value, dict) else value
    return stated


def signature(side: str, typed_data: dict[str, Any]) -> str:
    """Returns what a party's wallet answers to typed data."""
    made = KEYS[side].sign_message(encode_typed_data(full_message=typed_data)).signature
    return "0x" + bytes(made).hex()


class Deal:
    """Both parties, an inspector and an admin, at one face of the exchange."""

    def __init__(self, face: Face, tick: Callable[[], Any] = lambda: None) -> None:
        self.face = face
        # What goes on in the world while somebody waits: blocks, on a node of the tests.
        self.tick = tick
        self.tokens: dict[str, str] = {}
        self.user_ids: dict[str, str] = {}
        self.sign_in()

    def sign_in(self) -> None:
        """Signs everybody in, also after time went by."""
        for side, name in NAMES.items():
            reply = self.face.call("Login", email=f"{name}@{DOMAIN}", password=PASSWORD)
            self.tokens[side] = reply.access_token
            self.user_ids[side] = reply.user.user_id

    def call(self, side: str, name: str, key: str = "", /, **fields: Any) -> Any:
        """Calls a method as one of them."""
        return self.face.call(name, self.tokens[side], key, **fields)

    def refused(self, side: str, name: str, /, **fields: Any) -> RefusedError:
        """Returns how a call is refused."""
        try:
            answer = self.call(side, name, **fields)
        except RefusedError as refusal:
            return refusal
        raise AssertionError(f"Not refused: {answer}")

    def link_wallets(self) -> None:
        """Proves to the exchange whose wallets are whose."""
        for side, key in KEYS.items():
            asked = self.call(side, "CreateWalletChallenge", address=key.address)
            signed = key.sign_message(encode_defunct(text=asked.message)).signature
            self.call(
                side, "UpdateMyWallet", address=key.address, nonce=asked.nonce,
                message=asked.message, signature="0x" + bytes(signed).hex(),
            )  # fmt: skip

    def draft(self, **given: Any) -> Any:
        """The seller drafts a contract."""
        values = {
            "own_party": "PARTY_SELLER",
            "counterparty_user_id": self.user_ids["buyer"],
            "template_code": "US-CASH-FWD",
            "terms": terms(),
            **given,
        }
        return self.call("seller", "CreateContract", **values).contract

    def submitted(self, **given: Any) -> Any:
        """The seller drafts a contract and opens it for signature."""
        contract_id = self.draft(**given).contract_id
        return self.call("seller", "SubmitContract", contract_id=contract_id).contract

    def payload(self, side: str, contract_id: str) -> Any:
        """Returns what a party is to sign."""
        return self.call(side, "GetSigningPayload", contract_id=contract_id)

    def signing(self, side: str, contract_id: str) -> dict[str, Any]:
        """Returns a request to sign, signed by the party's wallet."""
        asked = self.payload(side, contract_id)
        return {
            "contract_id": contract_id,
            "contract_version": asked.contract_version,
            "digest": asked.digest,
            "signature": signature(side, json.loads(asked.typed_data_json)),
        }

    def sign(self, side: str, contract_id: str) -> Any:
        """A party signs."""
        return self.call(side, "SignContract", **self.signing(side, contract_id)).contract

    def active(self, **given: Any) -> Any:
        """Both sign a contract; it is in force."""
        name = self.submitted(**given).contract_id
        for side in KEYS:
            self.sign(side, name)
        return self.reaches(name, types.CONTRACT_STATE_ACTIVE)

    def get(self, contract_id: str) -> Any:
        """Returns a contract."""
        return self.call("seller", "GetContract", contract_id=contract_id).contract

    def reaches(self, contract_id: str, state: int) -> Any:
        """Waits until a contract is in a state."""

        def found() -> Any:
            contract = self.get(contract_id)
            return contract if contract.state == state else None

        return self.until(found, f"{contract_id} in state {state}")

    def until(self, holds: Callable[[], Any], what: str) -> Any:
        """Waits until something is so; returns it."""
        end = time.monotonic() + WAIT_S
        while True:
            try:
                if found := holds():
                    return found
            except RefusedError as refusal:
                # A busy machine: asked again, it answers.
                if refusal.code != "DEADLINE_EXCEEDED":
                    raise
            assert time.monotonic() < end, f"It never comes: {what}"
            self.tick()
            time.sleep(PAUSE_S)

    def deliver(self, contract_id: str, load: Load) -> Any:
        """A load is brought, weighed, graded and weighed again."""
        gross, tare, readings = load
        day = self.get(contract_id).terms.delivery.start
        made = self.call(
            "seller", "ScheduleDelivery", contract_id=contract_id, expected_date=day,
            expected_quantity="950",
        )  # fmt: skip
        name = made.delivery.delivery_id
        self.call("inspector", "WeighIn", delivery_id=name, gross_weight=gross, weight_unit="lb")
        quality = [{"parameter": key, "value": value} for key, value in readings.items()]
        self.call("inspector", "GradeDelivery", delivery_id=name, quality=quality)
        return self.call("inspector", "WeighOut", delivery_id=name, tare_weight=tare).delivery

    def accept(self, delivery_id: str) -> Any:
        """The buyer takes a load."""
        return self.call("buyer", "AcceptDelivery", delivery_id=delivery_id).delivery

    def state(self, contract_id: str) -> Any:
        """A statement over what was delivered is drawn up and accepted by both."""
        statement = self.call("seller", "IssueStatement", contract_id=contract_id).statement
        self.agree(contract_id, statement)
        return statement

    def statements(self, contract_id: str) -> Any:
        """Returns what was drawn up."""
        name = "SettlementService.ListStatements"
        return self.call("buyer", name, contract_id=contract_id).statements

    def agree(self, contract_id: str, statement: Any) -> None:
        """Both accept a statement."""
        for side in KEYS:
            self.call(
                side, "AcceptStatement", contract_id=contract_id,
                statement_id=statement.statement_id, sha256=statement.sha256,
            )  # fmt: skip

    def cash(self, side: str) -> int:
        """Returns a party's money, in cents of cents."""
        balances = self.call(side, "GetBalances").balances
        total = next(one.total for one in balances if one.asset == "USD")
        whole, _, part = total.partition(".")
        return int(whole + part.ljust(4, "0"))

    def operations(self, contract_id: str) -> dict[str, str]:
        """Returns the states of what was asked of the chain for a contract."""
        listed = self.call("admin", "ListChainOperations", reference=contract_id).operations
        return {_short(one, "kind"): _short(one, "state") for one in listed}

    def history(self, contract_id: str) -> list[str]:
        """Returns what happened to a contract, oldest first."""
        reply = self.call("buyer", "GetContractHistory", contract_id=contract_id)
        return [event.type for event in reply.events]


def _short(message: Any, field: str) -> str:
    described = message.DESCRIPTOR.fields_by_name[field].enum_type
    name: str = described.values_by_number[getattr(message, field)].name
    return name.rpartition("_")[2]
