"""The calls of the chain: CHN-040 to CHN-049."""

import json
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from eth_account import Account

from chain_api import ChainApi, chain_api
from chains import OPERATOR, anvil
from farmgate.api.blockchain.v1 import blockchain_pb2, chain_types_pb2
from farmgate.api.health.v1 import health_pb2
from farmgate.app import wire
from farmgate.app.settings import Settings, SettingsError, load
from farmgate.blockchain import store
from farmgate.blockchain.facade import Kind, State, keccak256
from farmgate.db import audit
from farmgate.errors import DomainError
from support import SignedIn, refused

REASON = "for the test"
UNKNOWN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
REGISTER = chain_types_pb2.CHAIN_OPERATION_KIND_REGISTER


async def status(chain: ChainApi) -> Any:
    return await chain.chain.GetChainStatus(blockchain_pb2.GetChainStatusRequest())


async def operations(chain: ChainApi, person: SignedIn, **given: Any) -> Any:
    request = blockchain_pb2.ListChainOperationsRequest(**given)
    return await chain.chain.ListChainOperations(request, metadata=person.metadata)


async def test_status_tells_what_there_is(chain_on_any: ChainApi) -> None:
    """CHN-040."""
    before = await status(chain_on_any)
    assert before.is_enabled
    assert before.is_connected
    assert before.is_simulated
    assert (before.chain_id, before.confirmations_needed) == (31337, 2)
    assert (before.registry_address, before.pending_operations) == ("", 0)
    operation = await chain_on_any.register()
    assert (await status(chain_on_any)).pending_operations == 2
    await chain_on_any.confirmed(operation)
    after = await status(chain_on_any)
    assert after.registry_address == operation.to_address
    assert after.operator_address == chain_on_any.opened.operations.operator
    assert after.block_number >= 2
    assert after.block_time.seconds > 1_700_000_000


async def test_operations_are_listed_to_whom_they_concern(chain_on_any: ChainApi) -> None:
    """CHN-041."""
    chain = chain_on_any
    seller, stranger = await chain.person(name="seller"), await chain.person(name="stranger")
    admin, auditor = await chain.person("ADMIN"), await chain.person("AUDITOR")
    mine = await chain.register(seller.user.user_id)
    other = await chain.register(admin.user.user_id)
    await chain.confirmed(other)
    found = await operations(chain, seller)
    assert [one.operation_id for one in found.operations] == [mine.id]
    one = found.operations[0]
    assert (one.kind, one.reference) == (REGISTER, mine.reference)
    assert one.payload_hash == mine.payload_hash
    assert not (await operations(chain, stranger)).operations
    for reader in (admin, auditor):
        kinds = [one.kind for one in (await operations(chain, reader)).operations]
        assert sorted(kinds) == [1, 2, 2]
    assert len((await operations(chain, admin, kind=REGISTER)).operations) == 2
    assert len((await operations(chain, admin, reference=mine.reference)).operations) == 1
    states = [chain_types_pb2.CHAIN_OPERATION_STATE_FAILED]
    assert not (await operations(chain, admin, states=states)).operations


async def test_operations_come_in_pages(chain: ChainApi) -> None:
    admin = await chain.person("ADMIN")
    made = [(await chain.register()).id for _ in range(3)]
    first = await operations(chain, admin, page_size=2, kind=REGISTER)
    assert [one.operation_id for one in first.operations] == made[:0:-1]
    rest = await operations(
        chain, admin, page_size=2, kind=REGISTER, page_token=first.next_page_token
    )
    assert [one.operation_id for one in rest.operations] == made[:1]
    assert not rest.next_page_token
    refusal = await refused(operations(chain, admin, page_token=first.next_page_token, page_size=2))
    assert refusal.reason == "PAGE_TOKEN_INVALID"


async def test_transaction_is_found_with_its_events(chain: ChainApi) -> None:
    """CHN-042."""
    person = await chain.person()
    operation = await chain.register()
    event = await chain.confirmed(operation)
    request = blockchain_pb2.GetTransactionRequest(hash=event.transaction_hash)
    found = (await chain.chain.GetTransaction(request, metadata=person.metadata)).transaction
    assert found.is_successful
    assert (found.operation_id, found.to_address) == (operation.id, operation.to_address)
    assert found.from_address == chain.opened.operations.operator
    assert found.confirmations >= 2
    assert found.gas_used > 100_000
    assert [one.name for one in found.events] == ["Registered"]
    arguments = json.loads(found.events[0].arguments_json)
    assert arguments["termsHash"] == f"0x{bytes(range(32)).hex()}"
    request = blockchain_pb2.GetTransactionRequest(hash="0x" + "0" * 64)
    refusal = await refused(chain.chain.GetTransaction(request, metadata=person.metadata))
    assert refusal.reason == "NOT_FOUND"


async def test_gas_is_estimated(chain: ChainApi) -> None:
    """CHN-024."""
    person = await chain.person()
    for reference in ("", UNKNOWN):
        request = blockchain_pb2.EstimateGasRequest(kind=REGISTER, reference=reference)
        found = await chain.chain.EstimateGas(request, metadata=person.metadata)
        assert (found.gas, found.gas_limit) == (155_000, 186_000)
        assert int(found.total_fee_wei) == int(found.max_fee_wei) * found.gas_limit
        assert int(found.max_fee_wei) >= int(found.base_fee_wei) + int(found.priority_fee_wei)
    refusal = await refused(
        chain.chain.EstimateGas(blockchain_pb2.EstimateGasRequest(), metadata=person.metadata)
    )
    assert refusal.reason in {"INVALID_ARGUMENT", "FIELD_REQUIRED"}


async def test_a_further_registry_is_deployed(chain: ChainApi) -> None:
    """CHN-043."""
    admin = await chain.person("ADMIN")
    first = await chain.register()
    await chain.confirmed(first)

    async def deploy(**given: Any) -> Any:
        values = {"contract_name": "ForwardRegistry", "reason": REASON, **given}
        request = blockchain_pb2.DeployContractRequest(**values)
        return await chain.chain.DeployContract(request, metadata=admin.metadata)

    answer = await deploy(constructor_arguments_json=f'["{OPERATOR.address}"]')
    assert answer.operation.kind == chain_types_pb2.CHAIN_OPERATION_KIND_DEPLOY
    await chain.reaches(Kind.DEPLOY, State.CONFIRMED, version=2)
    # A contract stays where it is; a new one goes to the new registry.
    domains = await chain.database.read(
        lambda tx: (
            chain.opened.operations.signing_domain(tx, first.reference),
            chain.opened.operations.signing_domain(tx),
        )
    )
    assert domains[0].verifying_contract == first.to_address
    assert domains[1].verifying_contract == (await status(chain)).registry_address
    second = await chain.register()
    await chain.confirmed(second)
    assert second.to_address == domains[1].verifying_contract
    for given, field in (
        ({"contract_name": "../ForwardRegistry"}, "contract_name"),
        ({"constructor_arguments_json": "["}, "constructor_arguments_json"),
        ({"constructor_arguments_json": "[1]"}, "constructor_arguments_json"),
        ({"constructor_arguments_json": '["0x' + "0" * 40 + '"]'}, "constructor_arguments_json"),
        ({"constructor_arguments_json": "{}"}, "constructor_arguments_json"),
    ):
        refusal = await refused(deploy(**given))
        assert (refusal.reason, refusal.metadata["field"]) == ("INVALID_ARGUMENT", field)


def sign_request(chain: ChainApi, to: str, **given: Any) -> Any:
    values = {"to": to, "data": "", "reason": REASON, **given}
    return blockchain_pb2.SignTransactionRequest(**values)


def issue_receipt(number: int) -> str:
    """Returns the call data of `issueReceipt`."""
    selector = keccak256(b"issueReceipt(bytes16,bytes32)")[:4].hex()
    return "0x" + selector + number.to_bytes(16, "big").hex() + "0" * 32 + "01".rjust(64, "0")


async def test_operator_signs_and_sends(chain: ChainApi) -> None:
    """CHN-044."""
    admin = await chain.person("ADMIN")
    operation = await chain.register()
    await chain.confirmed(operation)
    to = operation.to_address

    async def ask(**given: Any) -> Any:
        return await chain.chain.SignTransaction(
            sign_request(chain, to, **given), metadata=admin.metadata
        )

    signed = await ask(data=issue_receipt(1))
    assert Account.recover_transaction(signed.raw_transaction) == signed.from_address
    assert signed.from_address == chain.opened.operations.operator
    request = blockchain_pb2.GetTransactionRequest(hash=signed.transaction_hash)
    refusal = await refused(chain.chain.GetTransaction(request, metadata=admin.metadata))
    assert refusal.reason == "NOT_FOUND", "Nobody sent it."
    sent = await ask(data=issue_receipt(2), is_broadcast=True)
    async for step in chain.watch(admin, names=["ReceiptIssued"], from_block=1):
        if step.event.name:
            assert step.event.transaction_hash == sent.transaction_hash
            break
    rows = await chain.database.read(lambda tx: list(audit.rows(tx)))
    resources = [row.entry.resource for row in rows]
    assert resources.count(f"chain_transaction/{sent.transaction_hash}") == 1
    # What comes after goes on with the next nonce.
    await chain.confirmed(await chain.register())


async def test_what_the_operator_does_not_sign(chain: ChainApi) -> None:
    """CHN-044: other receivers, calls that revert, nonces that are used, too much gas."""
    admin = await chain.person("ADMIN")
    operation = await chain.register()
    await chain.confirmed(operation)

    async def refusal_of(to: str = operation.to_address, **given: Any) -> Any:
        request = sign_request(chain, to, **given)
        return await refused(chain.chain.SignTransaction(request, metadata=admin.metadata))

    assert (await refusal_of(OPERATOR.address)).reason == "INVALID_ARGUMENT"
    burn = "0x" + keccak256(b"burnReceipt(bytes16)")[:4].hex() + "0" * 64
    refusal = await refusal_of(data=burn)
    assert (refusal.reason, refusal.metadata["error"]) == ("TX_REVERTED", "ReceiptUnknown()")
    data = issue_receipt(7)
    assert (await refusal_of(data=data, nonce=0)).reason == "NONCE_CONFLICT"
    assert (await refusal_of(data=data, gas_limit=10**9)).reason == "GAS_CAP_EXCEEDED"
    assert (await refusal_of(data=data, value_wei="1")).reason == "TX_REVERTED"
    assert (await refusal_of(data="0x1")).reason == "INVALID_ARGUMENT"
    with chain.opened.pump.exclusively():
        refusal = await refusal_of(data=data)
    assert (refusal.reason, refusal.code) == ("NONCE_CONFLICT", grpc.StatusCode.ABORTED)


async def test_failed_operation_is_tried_again(chain: ChainApi) -> None:
    """CHN-045."""
    admin = await chain.person("ADMIN")
    await chain.confirmed(await chain.register())
    # It fails at the registry: the terms are others than those both signed.
    good = await chain.register()
    bad = await chain.database.write(
        lambda tx: store.change(tx, good, payload=good.payload.replace("5000 bu", "6000 bu"))
    )

    failed = await chain.reaches(Kind.REGISTER, State.FAILED)
    assert (failed.id, failed.error) == (good.id, "TX_REVERTED: SignatureInvalid(1)")
    await chain.database.write(
        lambda tx: store.change(tx, store.operation_by_id(tx, good.id), payload=good.payload)
    )

    async def retry(operation_id: str) -> Any:
        request = blockchain_pb2.RetryChainOperationRequest(
            operation_id=operation_id, reason=REASON
        )
        return await chain.chain.RetryChainOperation(request, metadata=admin.metadata)

    answer = await retry(good.id)
    assert answer.operation.state == chain_types_pb2.CHAIN_OPERATION_STATE_QUEUED
    await chain.confirmed(good)
    refusal = await refused(retry(good.id))
    assert refusal.reason == "JOB_STATE"
    assert (await refused(retry(UNKNOWN))).reason == "NOT_FOUND"
    assert bad is not None


async def test_only_admins_act_on_the_chain(chain: ChainApi) -> None:
    """CHN-046: each call without a token, and by each role that may not."""
    to = "0x" + "1" * 40
    calls = (
        ("DeployContract", blockchain_pb2.DeployContractRequest(contract_name="x", reason=REASON)),
        ("SignTransaction", sign_request(chain, to)),
        (
            "RetryChainOperation",
            blockchain_pb2.RetryChainOperationRequest(operation_id=UNKNOWN, reason=REASON),
        ),
    )
    for name, request in calls:
        call = getattr(chain.chain, name)
        assert (await refused(call(request))).reason == "UNAUTHENTICATED"
        for role in ("FARMER", "TRADER", "COOP_MANAGER", "INSPECTOR", "AUDITOR"):
            person = await chain.person(role)
            refusal = await refused(call(request, metadata=person.metadata))
            assert refusal.reason == "PERMISSION_DENIED", (name, role)
    signed_in = (
        ("EstimateGas", blockchain_pb2.EstimateGasRequest(kind=REGISTER)),
        ("GetTransaction", blockchain_pb2.GetTransactionRequest(hash="0x" + "0" * 64)),
        ("ListChainOperations", blockchain_pb2.ListChainOperationsRequest()),
    )
    for name, request in signed_in:
        refusal = await refused(getattr(chain.chain, name)(request))
        assert refusal.reason == "UNAUTHENTICATED"


async def test_chain_that_is_switched_off(make_settings: Callable[..., Settings]) -> None:
    """CHN-047."""
    async with chain_api(make_settings(chain_enabled=False)) as chain:
        admin = await chain.person("ADMIN")
        found = await status(chain)
        assert not found.is_enabled
        assert not found.is_connected
        request = blockchain_pb2.EstimateGasRequest(kind=REGISTER)
        refusal = await refused(chain.chain.EstimateGas(request, metadata=admin.metadata))
        assert refusal.reason == "CHAIN_DISABLED"
        request = blockchain_pb2.DeployContractRequest(
            contract_name="ForwardRegistry", reason=REASON
        )
        refusal = await refused(chain.chain.DeployContract(request, metadata=admin.metadata))
        assert refusal.reason == "CHAIN_DISABLED"
        domain = await chain.database.read(chain.opened.operations.signing_domain)
        assert domain.chain_id == 0


async def test_node_down_is_told_and_the_rest_works(
    make_settings: Callable[..., Settings],
) -> None:
    """CHN-035, CHN-048: health says so, operations wait, and it goes on when the node is back."""
    settings = make_settings(chain_url="http://127.0.0.1:1")
    async with chain_api(settings) as chain:
        admin = await chain.person("ADMIN")
        request = blockchain_pb2.DeployContractRequest(
            contract_name="ForwardRegistry", reason=REASON
        )
        answer = await chain.chain.DeployContract(request, metadata=admin.metadata)
        assert answer.operation.state == chain_types_pb2.CHAIN_OPERATION_STATE_QUEUED
        found = await status(chain)
        assert (found.is_enabled, found.is_connected) == (True, False)
        assert found.pending_operations == 1
        health = await chain.api.health.Healthz(health_pb2.HealthzRequest())
        by_name = {one.name: one for one in health.dependencies}
        assert not by_name["blockchain"].is_healthy
        assert by_name["blockchain"].detail == "CHAIN_UNREACHABLE"
        assert by_name["content"].is_healthy
        await chain.api.health.Readyz(health_pb2.ReadyzRequest())
        request = blockchain_pb2.GetTransactionRequest(hash="0x" + "0" * 64)
        refusal = await refused(chain.chain.GetTransaction(request, metadata=admin.metadata))
        assert (refusal.reason, refusal.code) == (
            "CHAIN_UNREACHABLE",
            grpc.StatusCode.UNAVAILABLE,
        )


async def test_server_works_on_a_node(
    make_settings: Callable[..., Settings], tmp_path: Any
) -> None:
    """CHN-049: the same calls with anvil as the chain."""
    key = tmp_path / "operator.key"
    key.write_text("0x" + OPERATOR.key.hex().removeprefix("0x"))
    with anvil() as node:
        settings = make_settings(chain_url=node.url, chain_operator_key_file=key)
        async with chain_api(settings) as chain:
            admin = await chain.person("ADMIN")
            with pytest.raises(DomainError) as nothing_deployed:
                await chain.register()
            assert nothing_deployed.value.reason == "DEPENDENCY_DOWN"
            request = blockchain_pb2.DeployContractRequest(
                contract_name="ForwardRegistry", reason=REASON
            )
            await chain.chain.DeployContract(request, metadata=admin.metadata)
            node.ask("evm_setIntervalMining", 1)
            await chain.reaches(Kind.DEPLOY, State.CONFIRMED)
            operation = await chain.register(admin.user.user_id)
            await chain.reaches(Kind.REGISTER, State.CONFIRMED)
            found = await operations(chain, admin, kind=REGISTER)
            assert found.operations[0].reference == operation.reference
            assert not (await status(chain)).is_simulated


def test_operator_key_is_never_made_up_in_production(tmp_path: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        load(environment={}, env_file=None, env="production", chain_url="http://node:8545")
    assert any("CHAIN_OPERATOR_KEY_FILE" in one for one in caught.value.mistakes)


def test_operator_key_that_is_none(make_settings: Callable[..., Settings], tmp_path: Any) -> None:
    key = tmp_path / "key"
    for text in ("", "zz", "00" * 32, "11" * 31):
        key.write_text(text)
        with pytest.raises(SettingsError) as caught:
            wire.build(make_settings(chain_operator_key_file=key))
        assert "CHAIN_OPERATOR_KEY_FILE" in str(caught.value)


def test_kinds_and_states_are_those_of_the_api() -> None:
    for number in chain_types_pb2.ChainOperationKind.values():
        name = chain_types_pb2.ChainOperationKind.Name(number)
        if number:
            Kind(name.removeprefix("CHAIN_OPERATION_KIND_"))
    for number in chain_types_pb2.ChainOperationState.values():
        name = chain_types_pb2.ChainOperationState.Name(number)
        if number:
            State(name.removeprefix("CHAIN_OPERATION_STATE_"))
