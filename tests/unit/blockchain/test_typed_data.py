"""What wallets sign, held to the design's vector and to eth-account: CHN-010, CHN-011."""

import dataclasses
import secrets

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from farmgate.blockchain import typed_data
from farmgate.blockchain.typed_data import ForwardContract, SigningDomain
from farmgate.errors import DomainError

SELLER = Account.from_key("0x" + "22" * 32)
BUYER = Account.from_key("0x" + "11" * 32)
DOMAIN = SigningDomain(31337, "0x" + "0" * 38 + "aa")
CONTRACT = ForwardContract(
    contract_id="01JD8Z3N6V7Q2X4T5Y6R8W9A0B",
    version=1,
    seller="0x1563915e194D8CfBA1943570603F7606A3115508",
    buyer="0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A",
    commodity="CORN US-2-YELLOW",
    quantity="5000 bu +/-2%",
    price="4.6125 USD/bu FIXED",
    delivery_start=1796083200,
    delivery_end=1798761599,
    terms_hash=bytes.fromhex("0a436da713e081034316469631af99bbedaa375c062d531c1b5163d5c7a20c69"),
    terms_cid="bafkreif2cwbvqkfzxzmtcawodci3nefzzksgoiz6mnxyi7coicnytt66ny",
    sign_by=1795651200,
)
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def sign(account, domain: SigningDomain = DOMAIN, contract: ForwardContract = CONTRACT) -> bytes:
    message = encode_typed_data(full_message=typed_data.typed_data(domain, contract))
    return bytes(account.sign_message(message).signature)


def test_digest_is_the_designs_vector() -> None:
    """CHN-010."""
    digest = typed_data.digest(DOMAIN, CONTRACT)
    assert digest.hex() == "a122765a1de3ad925520f8be23c66d4ad63f60a8bd99ab2fac4d2971e0e6cb06"
    assert CONTRACT.values()["contractId"].hex() == "019351f1d4db3dc5d268be3611c4a80b"
    for account in (SELLER, BUYER):
        typed_data.check_signature(digest, sign(account), account.address)


def test_digest_is_what_wallets_compute() -> None:
    for change in (
        {"version": 4_294_967_295},
        {"commodity": "कपास", "price": ""},
        {"seller": CONTRACT.buyer.lower(), "sign_by": 0},
    ):
        contract = dataclasses.replace(CONTRACT, **change)
        domain = SigningDomain(1, CONTRACT.seller)
        digest = typed_data.digest(domain, contract)
        typed_data.check_signature(digest, sign(SELLER, domain, contract), SELLER.address)


@pytest.mark.parametrize(
    "other",
    [
        {"version": 2},
        {"price": "4.6126 USD/bu FIXED"},
        {"contract_id": "01JD8Z3N6V7Q2X4T5Y6R8W9A0C"},
        {"chain_id": 1},
        {"verifying_contract": "0x" + "0" * 38 + "ab"},
    ],
)
def test_signature_is_good_for_one_contract_version_chain_and_registry(other: dict) -> None:
    """CHN-011: replayed, of another version, chain or registry."""
    names = {field.name for field in dataclasses.fields(SigningDomain)}
    domain = dataclasses.replace(DOMAIN, **{k: v for k, v in other.items() if k in names})
    contract = dataclasses.replace(CONTRACT, **{k: v for k, v in other.items() if k not in names})
    with pytest.raises(DomainError) as error:
        typed_data.check_signature(
            typed_data.digest(domain, contract), sign(SELLER), SELLER.address
        )
    assert error.value.reason == "SIGNER_WALLET_MISMATCH"


def test_a_signature_has_one_form() -> None:
    """CHN-011: the other s, a short v, too long, zeros, garbage."""
    digest = typed_data.digest(DOMAIN, CONTRACT)
    good = sign(SELLER)
    r, s, v = good[:32], int.from_bytes(good[32:64], "big"), good[64]
    high = r + (N - s).to_bytes(32, "big") + bytes([55 - v])
    # The other form recovers the same wallet where nobody looks at s.
    assert Account._recover_hash(digest, signature=high) == SELLER.address
    bad = [high, good[:64] + bytes([v - 27]), good + b"\0", good[:64], bytes(65), b""]
    bad += [good[:64] + bytes([29]), b"\xff" * 64 + bytes([27])]
    for signature in bad:
        with pytest.raises(DomainError) as error:
            typed_data.check_signature(digest, signature, SELLER.address)
        assert error.value.reason == "SIGNATURE_INVALID"
    with pytest.raises(DomainError) as error:
        typed_data.check_signature(digest, sign(BUYER), SELLER.address)
    assert error.value.reason == "SIGNER_WALLET_MISMATCH"


def test_random_signatures_are_nobodys() -> None:
    digest = typed_data.digest(DOMAIN, CONTRACT)
    for _ in range(50):
        signature = secrets.token_bytes(64) + bytes([27 + secrets.randbelow(2)])
        with pytest.raises(DomainError) as error:
            typed_data.check_signature(digest, signature, SELLER.address)
        assert error.value.reason in {"SIGNATURE_INVALID", "SIGNER_WALLET_MISMATCH"}


def test_addresses_have_the_checksum() -> None:
    for address in (SELLER.address, BUYER.address, "0x" + "0" * 40):
        assert typed_data.checksummed(address.lower()) == address


def test_created_address_is_known_before() -> None:
    sender = "0x6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0"
    # Known pairs of Ethereum's documentation.
    assert typed_data.created_address(sender, 0) == "0xcd234A471b72ba2F1Ccf0A70FCABA648a5eeCD8d"
    assert typed_data.created_address(sender, 1) == "0x343c43A37D37dfF08AE8C4A11544c718AbB4fCF8"
