"""Use cases of signatures and of the proof of what was signed."""

import asyncio
import json
from dataclasses import dataclass
from typing import Final, TypeVar

from sqlalchemy import Connection

from farmgate.blockchain.facade import (
    ChainOperations,
    ContractWallets,
    ForwardContract,
    Library,
    SigningDomain,
    check_signature,
    digest,
    keccak256,
    registration,
    typed_data,
)
from farmgate.contracts import money, store
from farmgate.contracts.steps import Actor, Steps, View, other
from farmgate.contracts.terms import signed_form
from farmgate.contracts.values import BUYER, PENDING, SELLER, SIGNED, Contract, Signature
from farmgate.db.effects import Effect, Serializable
from farmgate.db.engine import Database
from farmgate.errors import DomainError
from farmgate.ports.unixfs import cid_of

M = TypeVar("M", bound=Serializable)
EOA: Final = 1
CONTRACT_ACCOUNT: Final = 2


@dataclass(frozen=True, slots=True)
class ToSign:
    """What a party's wallet signs."""

    contract: Contract
    party: int
    wallet: str
    typed_data: str
    digest: str


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature as it was handed in."""

    version: int
    digest: str
    signature: str
    scheme: int


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked."""

    name: str
    expected: str
    actual: str
    is_good: bool = False


@dataclass(frozen=True, slots=True)
class Published:
    """Where the canonical terms are."""

    contract: Contract
    cid: str
    sha256: str
    size_bytes: int
    is_pinned: bool


class Signing:
    """Judges signatures, registers what both signed, and proves it to anybody.

    Args:
        database: Where contracts are kept.
        steps: Makes steps.
        operations: Asks the chain.
        wallets: Judges signatures of wallets that are contracts.
        library: Keeps the canonical terms.
    """

    def __init__(
        self, database: Database, steps: Steps, operations: ChainOperations,
        wallets: ContractWallets, library: Library,
    ) -> None:  # fmt: skip
        self._database = database
        self._steps = steps
        self._operations = operations
        self._wallets = wallets
        self._library = library

    async def payload(self, actor: Actor, contract_id: str) -> ToSign:
        """Returns what the actor's wallet signs.

        Raises:
            DomainError: NOT_A_PARTY, CONTRACT_STATE or DEPENDENCY_DOWN.
        """
        return await self._database.read(lambda tx: self._to_sign(tx, contract_id, actor))

    async def sign(
        self, actor: Actor, contract_id: str, given: Signed, effect: Effect[View, M]
    ) -> M:
        """Signs; the second signature sends the contract to the chain and asks for deposits.

        Raises:
            DomainError: NOT_A_PARTY, CONTRACT_STATE, VERSION_CONFLICT, SIGN_DEADLINE_PASSED,
                ALREADY_SIGNED, DIGEST_MISMATCH, SIGNATURE_INVALID or SIGNER_WALLET_MISMATCH.
        """
        to_sign = await self.payload(actor, contract_id)
        await self._judge(to_sign, given)

        def write(connection: Connection) -> None:
            found = self._to_sign(connection, contract_id, actor)
            contract = found.contract
            if contract.version != given.version:
                raise DomainError(
                    "VERSION_CONFLICT", actual=contract.version, expected=given.version
                )
            if found.digest != given.digest:
                raise DomainError("DIGEST_MISMATCH", expected=found.digest)
            now = self._steps.clock.now()
            store.add_signature(
                connection,
                Signature(
                    contract.id, contract.version, found.party, actor.user_id, found.wallet,
                    found.digest, given.signature, given.scheme, now,
                ),
            )  # fmt: skip
            signed = store.signatures_of(connection, contract.id, contract.version)
            if len(signed) == 1:
                changed = self._steps.step(
                    connection, contract, "contract.signed_by_counterparty", actor,
                    tells=(other(found.party),),
                )  # fmt: skip
            else:
                changed = self._complete(connection, contract, actor, signed)
            effect.record(
                connection,
                self._steps.view(connection, changed),
                resource=f"contract/{contract.id}",
            )

        await self._database.write(write)
        return effect.reply

    async def publish(self, actor: Actor, contract_id: str, effect: Effect[Published, M]) -> M:
        """Keeps the canonical terms of a contract where its parties find them, and pins them.

        Raises:
            DomainError: NOT_A_PARTY or CONTRACT_STATE for a draft.
        """

        def write(connection: Connection) -> None:
            contract = self._steps.found(connection, contract_id, actor)
            if not contract.canonical:
                raise DomainError(
                    "CONTRACT_STATE", state="Draft", action="publishing",
                    allowed="PendingSignature and later",
                )  # fmt: skip
            data = contract.canonical.encode()
            prepared = self._library.prepare_for_parties(data, media_type="application/json")
            stored = self._library.record(connection, prepared, contract_id=contract.id)
            published = Published(
                contract, stored.cid, stored.sha256, stored.size_bytes,
                is_pinned=stored.pin_state != "LOCAL",
            )  # fmt: skip
            effect.record(connection, published, resource=f"contract/{contract.id}")

        await self._database.write(write)
        return effect.reply

    async def verify(self, actor: Actor, contract_id: str) -> tuple[Contract, list[Check]]:
        """Checks hash, identifier, signatures and chain of a contract.

        Raises:
            DomainError: NOT_A_PARTY.
        """
        return await self._database.read(
            lambda tx: self._verified(tx, self._steps.found(tx, contract_id, actor))
        )

    async def verify_hash(self, terms_hash: str) -> tuple[Contract, list[Check]]:
        """Checks the contract of some terms, for anybody who was shown their hash.

        Raises:
            DomainError: NOT_FOUND.
        """

        def read(connection: Connection) -> tuple[Contract, list[Check]]:
            contract = store.by_hash(connection, terms_hash)
            if contract is None:
                raise DomainError("NOT_FOUND", resource="contract", id=terms_hash)
            return self._verified(connection, contract)

        return await self._database.read(read)

    def _to_sign(self, connection: Connection, contract_id: str, actor: Actor) -> ToSign:
        contract, party = self._steps.own(connection, contract_id, actor, "sign", (PENDING,))
        assert contract.sign_by is not None, "It was submitted."
        if contract.sign_by <= self._steps.clock.now():
            raise DomainError("SIGN_DEADLINE_PASSED", sign_by=contract.sign_by.isoformat())
        done = store.signatures_of(connection, contract.id, contract.version)
        if any(one.party == party for one in done):
            raise DomainError("ALREADY_SIGNED")
        domain = self._operations.signing_domain(connection, contract.id)
        form = signed_form(contract)
        wallet = contract.seller_wallet if party == SELLER else contract.buyer_wallet
        return ToSign(
            contract, party, wallet, json.dumps(typed_data(domain, form)),
            f"0x{digest(domain, form).hex()}",
        )  # fmt: skip

    async def _judge(self, to_sign: ToSign, given: Signed) -> None:
        if to_sign.contract.version != given.version:
            actual = to_sign.contract.version
            raise DomainError("VERSION_CONFLICT", actual=actual, expected=given.version)
        await judge(self._wallets, to_sign.digest, given, to_sign.wallet)

    def _complete(
        self, connection: Connection, contract: Contract, actor: Actor, signed: list[Signature]
    ) -> Contract:
        seller, buyer = (bytes.fromhex(one.signature.removeprefix("0x")) for one in signed)
        # The step comes first: the chain's own first step then finds nothing to change.
        changed = self._steps.step(
            connection, contract, "contract.signed", actor, state=SIGNED,
            chain_status="PENDING" if self._operations.is_enabled else "NONE",
            signed_at=self._steps.clock.now(),
        )  # fmt: skip
        if self._operations.is_enabled:
            domain = self._operations.signing_domain(connection, contract.id)
            payload = registration(
                domain, signed_form(contract), seller_signature=seller, buyer_signature=buyer
            )
            self._operations.request(
                connection, payload, reference=contract.id, version=contract.version,
                user_ids=contract.party_ids,
            )  # fmt: skip
        money.ask_deposits(connection, self._steps, changed)
        return changed

    def _verified(self, connection: Connection, contract: Contract) -> tuple[Contract, list[Check]]:
        data = contract.canonical.encode()
        found = [
            _equal("terms_hash", contract.terms_hash, f"0x{keccak256(data).hex()}"),
            _equal("terms_cid", contract.terms_cid, cid_of(data)),
        ]
        signed = store.signatures_of(connection, contract.id, contract.version)
        if contract.canonical:
            domain = self._operations.signing_domain(connection, contract.id)
            form = signed_form(contract)
            found += [self._signature(domain, form, contract, one) for one in signed]
        for party, name in ((SELLER, "seller"), (BUYER, "buyer")):
            if not any(one.party == party for one in signed):
                found.append(Check(f"{name}_signature", "a signature", "none"))
        found.append(self._on_chain(connection, contract))
        return contract, found

    def _signature(
        self, domain: SigningDomain, form: ForwardContract, contract: Contract, one: Signature
    ) -> Check:
        name = "seller_signature" if one.party == SELLER else "buyer_signature"
        wallet = contract.seller_wallet if one.party == SELLER else contract.buyer_wallet
        if one.scheme == CONTRACT_ACCOUNT:
            return _equal(name, wallet, one.wallet)
        try:
            signature = bytes.fromhex(one.signature.removeprefix("0x"))
            check_signature(digest(domain, form), signature, wallet)
        except DomainError as error:
            return Check(name, wallet, error.reason)
        return Check(name, wallet, wallet, is_good=True)

    def _on_chain(self, connection: Connection, contract: Contract) -> Check:
        if not self._operations.is_enabled:
            return Check("chain", "no chain", "no chain", is_good=True)
        events = self._operations.evidence(connection, contract.id)
        hashes = [
            str(json.loads(event.arguments).get("termsHash", "")) for event in events
            if event.name in {"Registered", "Amended"}
        ]  # fmt: skip
        return _equal("chain", contract.terms_hash, hashes[-1] if hashes else "not registered")


async def judge(wallets: ContractWallets, digest_: str, given: Signed, wallet: str) -> None:
    """Judges a signature as it was handed in.

    Raises:
        DomainError: DIGEST_MISMATCH, SIGNATURE_INVALID or SIGNER_WALLET_MISMATCH.
    """
    if digest_ != given.digest:
        raise DomainError("DIGEST_MISMATCH", expected=digest_)
    try:
        signature = bytes.fromhex(given.signature.removeprefix("0x"))
    except ValueError as error:
        raise DomainError("SIGNATURE_INVALID") from error
    signed = bytes.fromhex(digest_.removeprefix("0x"))
    if given.scheme == CONTRACT_ACCOUNT:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, wallets.check, signed, signature, wallet)
    else:
        check_signature(signed, signature, wallet)


def _equal(name: str, expected: str, actual: str) -> Check:
    is_equal = expected.lower() == actual.lower()
    return Check(name, expected, actual, is_good=is_equal and bool(expected))
