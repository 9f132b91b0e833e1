"""Users' part in the process."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from farmgate.api.users.v1 import users_pb2
from farmgate.app.caching import cache_of
from farmgate.app.parts.base import Base, Part
from farmgate.jobs.periodic import Periodic
from farmgate.ports.cache import Cache, Codec
from farmgate.ports.matching import Matching
from farmgate.users import tables
from farmgate.users.envelope import Envelope
from farmgate.users.facade import Profiles, User, Wallets
from farmgate.users.farm_logic import Farms
from farmgate.users.farm_service import FarmServicer, WalletLinkServicer
from farmgate.users.kyc_logic import Kyc
from farmgate.users.kyc_service import KycReviewServicer, KycServicer
from farmgate.users.org_logic import Organizations
from farmgate.users.org_service import InvitationServicer, OrganizationServicer
from farmgate.users.reach import Members
from farmgate.users.receipt_logic import Receipts, Units
from farmgate.users.receipt_service import ReceiptServicer
from farmgate.users.service import UserService
from farmgate.users.wallet_logic import WalletLinks

_KEY_BYTES: Final = 32
_EXPIRY_S: Final = 3_600.0
_RECEIPTS_S: Final = 30.0
_PROFILES_S: Final = 300
_ORIGIN: Final = "http://localhost"


@dataclass(frozen=True, slots=True)
class Opened:
    """What other modules use of people's things."""

    wallets: Wallets
    farms: Farms
    kyc: Kyc
    members: Members


def open_users(base: Base) -> Opened:
    """Returns wallets, farms, KYC and who manages whom."""
    origins = base.settings.web_origins
    return Opened(
        Wallets(origins[0] if origins else _ORIGIN, base.settings.chain_id),
        Farms(base.database, base.clock, base.ids),
        Kyc(base.database, envelope_of(base), base.clock, base.ids),
        Members(base.database),
    )


def envelope_of(base: Base) -> Envelope:
    """Returns what encrypts documents and archives."""
    derivation = HKDF(hashes.SHA256(), _KEY_BYTES, salt=None, info=b"farmgate kyc")
    return Envelope(derivation.derive(base.secrets.key))


def part(base: Base, opened: Opened | None = None) -> Part:
    """Returns profiles, wallets, farms, KYC and organisations.

    Args:
        base: What it builds on.
        opened: What other modules use too; made here when None.
    """
    opened = opened or open_users(base)
    opened.kyc.listen(_forgetter(base))
    organizations = Organizations(base.database, base.clock, base.ids)
    return Part(
        servicers=[
            OrganizationServicer(organizations, base.pager),
            InvitationServicer(organizations, base.pager),
            UserService(Profiles(base.database), _profiles(base)),
            WalletLinkServicer(WalletLinks(base.database, opened.wallets, base.clock)),
            FarmServicer(opened.farms, base.pager),
            KycServicer(opened.kyc),
            KycReviewServicer(opened.kyc, base.pager),
        ],
        components=[Periodic("KYC expiry", _EXPIRY_S, opened.kyc.expire)],
    )


def goods(base: Base, matching: Matching, units: Units) -> Part:
    """Returns warehouse receipts.

    Args:
        base: What it builds on.
        matching: The core, where the goods are balances.
        units: Tells in which unit a commodity is counted.
    """
    receipts = Receipts(base.database, matching, base.clock, base.ids, units)
    return Part(
        servicers=[ReceiptServicer(receipts, base.pager)],
        components=[Periodic("receipts", _RECEIPTS_S, receipts.run)],
    )


def _profiles(base: Base) -> Cache[users_pb2.User]:
    codec = Codec[users_pb2.User](users_pb2.User.SerializeToString, users_pb2.User.FromString)
    return cache_of(
        base,
        "profiles",
        _PROFILES_S,
        codec,
        {tables.users: tables.users.c.id, tables.accounts: None},
    )


def _forgetter(base: Base) -> Callable[[User], Awaitable[None]]:
    async def forget(user: User) -> None:
        base.grants.forget(user.id)

    return forget
