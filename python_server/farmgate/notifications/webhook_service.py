"""The gRPC face of webhooks."""

from farmgate.api.notifications.v1 import webhooks_pb2
from farmgate.errors import DomainError
from farmgate.notifications.messages import delivery_message, maybe, webhook_message
from farmgate.notifications.webhook_logic import Webhooks, WithSecret
from farmgate.rpc.call import Call
from farmgate.rpc.paging import Pager, page_size
from farmgate.rpc.registry import Servicer


class WebhookServicer(Servicer):
    """Serves `WebhookService`.

    Args:
        webhooks: Keeps them.
        pager: Signs page tokens.
    """

    SERVICE = webhooks_pb2.DESCRIPTOR.services_by_name["WebhookService"]

    def __init__(self, webhooks: Webhooks, pager: Pager) -> None:
        self._webhooks = webhooks
        self._pager = pager

    async def CreateWebhook(
        self, request: webhooks_pb2.CreateWebhookRequest, call: Call
    ) -> webhooks_pb2.CreateWebhookResponse:
        if request.organization_id:
            raise DomainError("NOT_FOUND", resource="organization", id=request.organization_id)

        def render(made: WithSecret) -> webhooks_pb2.CreateWebhookResponse:
            return webhooks_pb2.CreateWebhookResponse(
                webhook=webhook_message(made.webhook), secret=made.secret
            )

        return await self._webhooks.create(
            call.caller.user_id,
            request.url,
            list(request.events),
            request.description,
            call.effect(render),
        )

    async def ListWebhooks(
        self, request: webhooks_pb2.ListWebhooksRequest, call: Call
    ) -> webhooks_pb2.ListWebhooksResponse:
        me = call.caller.user_id
        place = self._pager.after(request, request.page_token, caller=me)
        limit = page_size(request.page_size)
        found = await self._webhooks.page(
            None if call.bypasses_ownership else me,
            after=str(place[0]) if place else "",
            limit=limit + 1,
        )
        reply = webhooks_pb2.ListWebhooksResponse(webhooks=map(webhook_message, found[:limit]))
        if len(found) > limit:
            reply.next_page_token = self._pager.token(request, (found[limit - 1].id,), caller=me)
        return reply

    async def UpdateWebhook(
        self, request: webhooks_pb2.UpdateWebhookRequest, call: Call
    ) -> webhooks_pb2.UpdateWebhookResponse:
        state = ""
        if request.HasField("is_paused"):
            state = "PAUSED" if request.is_paused else "ACTIVE"
        return await self._webhooks.update(
            call.caller.user_id,
            request.webhook_id,
            url=request.url,
            events=list(request.events),
            description=request.description if request.HasField("description") else None,
            state=state,
            expected=request.expected_version,
            effect=call.effect(
                lambda one: webhooks_pb2.UpdateWebhookResponse(webhook=webhook_message(one))
            ),
        )

    async def DeleteWebhook(
        self, request: webhooks_pb2.DeleteWebhookRequest, call: Call
    ) -> webhooks_pb2.DeleteWebhookResponse:
        return await self._webhooks.delete(
            call.caller.user_id,
            request.webhook_id,
            call.effect(lambda _: webhooks_pb2.DeleteWebhookResponse()),
        )

    async def TestWebhook(
        self, request: webhooks_pb2.TestWebhookRequest, call: Call
    ) -> webhooks_pb2.TestWebhookResponse:
        return await self._webhooks.test(
            call.caller.user_id,
            request.webhook_id,
            call.effect(
                lambda one: webhooks_pb2.TestWebhookResponse(delivery=delivery_message(one))
            ),
        )

    async def RotateWebhookSecret(
        self, request: webhooks_pb2.RotateWebhookSecretRequest, call: Call
    ) -> webhooks_pb2.RotateWebhookSecretResponse:
        def render(made: WithSecret) -> webhooks_pb2.RotateWebhookSecretResponse:
            return webhooks_pb2.RotateWebhookSecretResponse(
                secret=made.secret, old_secret_expire_time=maybe(made.webhook.old_expires_at)
            )

        return await self._webhooks.rotate(
            call.caller.user_id, request.webhook_id, call.effect(render)
        )

    async def ListWebhookDeliveries(
        self, request: webhooks_pb2.ListWebhookDeliveriesRequest, call: Call
    ) -> webhooks_pb2.ListWebhookDeliveriesResponse:
        me = call.caller.user_id
        place = self._pager.after(request, request.page_token, caller=me)
        limit = page_size(request.page_size)
        name = webhooks_pb2.WebhookDeliveryState.Name(request.state)
        found = await self._webhooks.deliveries(
            None if call.bypasses_ownership else me,
            request.webhook_id,
            state=name.removeprefix("WEBHOOK_DELIVERY_STATE_") if request.state else "",
            before=str(place[0]) if place else "",
            limit=limit + 1,
        )
        reply = webhooks_pb2.ListWebhookDeliveriesResponse(
            deliveries=map(delivery_message, found[:limit])
        )
        if len(found) > limit:
            reply.next_page_token = self._pager.token(request, (found[limit - 1].id,), caller=me)
        return reply

    async def RedeliverWebhook(
        self, request: webhooks_pb2.RedeliverWebhookRequest, call: Call
    ) -> webhooks_pb2.RedeliverWebhookResponse:
        return await self._webhooks.redeliver(
            call.caller.user_id,
            request.webhook_id,
            request.delivery_id,
            call.effect(
                lambda one: webhooks_pb2.RedeliverWebhookResponse(delivery=delivery_message(one))
            ),
        )
