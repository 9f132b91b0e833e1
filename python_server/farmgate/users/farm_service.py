"""The gRPC face of farms and of wallets."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import ClassVar, Final

from farmgate.api.users.v1 import (
    farm_types_pb2,
    farms_pb2,
    wallets_pb2,
)
from farmgate.rpc.call import Call
from farmgate.rpc.paging import Pager, page_size
from farmgate.rpc.registry import Servicer
from farmgate.users import farm_rules as rules
from farmgate.users.farm_logic import Farms
from farmgate.users.farm_store import Certification, Crop, Farm
from farmgate.users.messages import timestamp, user_message
from farmgate.users.reach import Reach
from farmgate.users.wallet_logic import WalletLinks
from farmgate.users.wallets import Challenge

_ME: Final = "me"
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
Promised = tuple[Farm, dict[str, Decimal]]


class FarmServicer(Servicer):
    """Serves `FarmService`.

    Args:
        farms: Keeps farms.
        pager: Signs page tokens.
    """

    SERVICE = farms_pb2.DESCRIPTOR.services_by_name["FarmService"]
    # A boundary has up to 64 KiB by itself.
    REQUEST_BYTES_MAX: ClassVar[Mapping[str, int]] = {
        "CreateFarm": 128 * 1024,
        "UpdateFarm": 128 * 1024,
    }

    def __init__(self, farms: Farms, pager: Pager) -> None:
        self._farms = farms
        self._pager = pager

    async def ListUserFarms(
        self, request: farms_pb2.ListUserFarmsRequest, call: Call
    ) -> farms_pb2.ListUserFarmsResponse:
        me = call.caller.user_id
        owner = me if request.user_id in {_ME, me} else request.user_id
        place = self._pager.after(request, request.page_token, caller=me)
        after = (str(place[0]), str(place[1])) if place else ("", "")
        limit = page_size(request.page_size)
        found = await self._farms.page(Reach.of(call), owner, after=after, limit=limit + 1)
        reply = farms_pb2.ListUserFarmsResponse(farms=map(farm_message, found[:limit]))
        if len(found) > limit:
            last, _ = found[limit - 1]
            reply.next_page_token = self._pager.token(request, (last.name, last.id), caller=me)
        return reply

    async def CreateFarm(
        self, request: farms_pb2.CreateFarmRequest, call: Call
    ) -> farms_pb2.CreateFarmResponse:
        draft = _farm(request, request.owner_id or call.caller.user_id)
        return await self._farms.create(
            Reach.of(call),
            draft,
            call.effect(lambda one: farms_pb2.CreateFarmResponse(farm=farm_message(one))),
        )

    async def GetFarm(
        self, request: farms_pb2.GetFarmRequest, call: Call
    ) -> farms_pb2.GetFarmResponse:
        found = await self._farms.get(Reach.of(call), request.farm_id)
        return farms_pb2.GetFarmResponse(farm=farm_message(found))

    async def UpdateFarm(
        self, request: farms_pb2.UpdateFarmRequest, call: Call
    ) -> farms_pb2.UpdateFarmResponse:
        return await self._farms.update(
            Reach.of(call),
            request.farm_id,
            _farm(request.farm, ""),
            list(request.update_mask.paths),
            request.expected_version,
            call.effect(lambda one: farms_pb2.UpdateFarmResponse(farm=farm_message(one))),
        )

    async def DeleteFarm(
        self, request: farms_pb2.DeleteFarmRequest, call: Call
    ) -> farms_pb2.DeleteFarmResponse:
        return await self._farms.delete(
            Reach.of(call),
            request.farm_id,
            call.effect(lambda _: farms_pb2.DeleteFarmResponse()),
        )

    async def AddFarmCertification(
        self, request: farms_pb2.AddFarmCertificationRequest, call: Call
    ) -> farms_pb2.AddFarmCertificationResponse:
        one = Certification(
            "", request.scheme, request.number, request.valid_to, request.document_id
        )
        return await self._farms.certify(
            Reach.of(call),
            request.farm_id,
            one,
            call.effect(lambda one: farms_pb2.AddFarmCertificationResponse(farm=farm_message(one))),
        )

    async def AddCropPlan(
        self, request: farms_pb2.AddCropPlanRequest, call: Call
    ) -> farms_pb2.AddCropPlanResponse:
        one = Crop(
            "", request.commodity_code, request.season, request.planted_ha, request.planted_on,
            request.harvest_start, request.harvest_end, request.expected_yield_t_ha,
        )  # fmt: skip
        return await self._farms.plant(
            Reach.of(call),
            request.farm_id,
            one,
            call.effect(lambda one: farms_pb2.AddCropPlanResponse(farm=farm_message(one))),
        )


class WalletLinkServicer(Servicer):
    """Serves `WalletLinkService`.

    Args:
        links: Links wallets.
    """

    SERVICE = wallets_pb2.DESCRIPTOR.services_by_name["WalletLinkService"]

    def __init__(self, links: WalletLinks) -> None:
        self._links = links

    async def CreateWalletChallenge(
        self, request: wallets_pb2.CreateWalletChallengeRequest, call: Call
    ) -> wallets_pb2.CreateWalletChallengeResponse:
        def render(challenge: Challenge) -> wallets_pb2.CreateWalletChallengeResponse:
            return wallets_pb2.CreateWalletChallengeResponse(
                message=challenge.message,
                nonce=challenge.nonce,
                expire_time=timestamp(challenge.expires_at),
            )

        return await self._links.challenge(
            call.caller.user_id, request.address, call.effect(render)
        )

    async def UpdateMyWallet(
        self, request: wallets_pb2.UpdateMyWalletRequest, call: Call
    ) -> wallets_pb2.UpdateMyWalletResponse:
        return await self._links.link(
            call.caller.user_id,
            request.address,
            request.nonce,
            request.message,
            request.signature,
            call.effect(lambda user: wallets_pb2.UpdateMyWalletResponse(user=user_message(user))),
        )

    async def UnlinkWallet(
        self, request: wallets_pb2.UnlinkWalletRequest, call: Call
    ) -> wallets_pb2.UnlinkWalletResponse:
        return await self._links.unlink(
            call.caller.user_id,
            call.effect(lambda user: wallets_pb2.UnlinkWalletResponse(user=user_message(user))),
        )


def farm_message(promised: Promised) -> farm_types_pb2.Farm:
    """Returns a farm with what is promised of its harvests."""
    farm, committed = promised
    message = farm_types_pb2.Farm(
        farm_id=farm.id,
        owner_id=farm.owner_id,
        name=farm.name,
        country=farm.country,
        region=farm.region,
        boundary_geojson=farm.boundary,
        area_ha=farm.area_ha,
        soil=farm.soil,
        irrigation=farm_types_pb2.Irrigation.ValueType(farm.irrigation),
        storage_capacity_t=farm.storage_capacity_t,
        create_time=timestamp(farm.created_at),
        version=farm.version,
    )
    if farm.latitude:
        message.location.latitude = farm.latitude
        message.location.longitude = farm.longitude
    for one in farm.certifications:
        message.certifications.add(
            certification_id=one.id,
            scheme=farm_types_pb2.CertificationScheme.ValueType(one.scheme),
            number=one.number,
            valid_to=one.valid_to,
            document_id=one.document_id,
        )
    for crop in farm.crops:
        expected = rules.harvest(crop.planted_ha, crop.expected_yield_t_ha)
        promised_t = committed.get(crop.commodity_code, Decimal(0))
        message.crops.add(
            crop_plan_id=crop.id,
            commodity_code=crop.commodity_code,
            season=crop.season,
            planted_ha=crop.planted_ha,
            planted_on=crop.planted_on,
            harvest_start=crop.harvest_start,
            harvest_end=crop.harvest_end,
            expected_yield_t_ha=crop.expected_yield_t_ha,
            expected_quantity_t=_plain(expected),
            committed_quantity_t=_plain(promised_t),
            warnings=rules.warnings(expected, promised_t),
        )
    return message


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _farm(message: farms_pb2.CreateFarmRequest | farm_types_pb2.Farm, owner_id: str) -> Farm:
    return Farm(
        id="",
        owner_id=owner_id,
        name=message.name,
        country=message.country,
        region=message.region,
        latitude=message.location.latitude,
        longitude=message.location.longitude,
        boundary=message.boundary_geojson,
        area_ha=message.area_ha,
        soil=message.soil,
        irrigation=message.irrigation,
        storage_capacity_t=message.storage_capacity_t,
        created_at=_NEVER,
        version=0,
    )
