"""`/api/webhooks`: where it is told what happens."""

from datetime import timedelta
from typing import Any

from flask_restx import Namespace, Resource

from tollhouse.domain.principal import DEFAULT_TEAM
from tollhouse.services.webhooks.webhooks import Webhook as WebhookValue
from tollhouse.web.gate import services
from tollhouse.web.operation import Asked, operation, shown, shown_page, unless_changed

namespace = Namespace("webhooks", "Where it is told what happens, signed as Standard Webhooks has it.")


@namespace.route("")
class Webhooks(Resource):
    @operation(namespace, "list_webhooks", "webhook", query="webhook_query", many=True, errors=(404,))
    def get(self, asked: Asked) -> dict[str, Any]:
        """List the webhooks of what the caller rules, oldest first"""
        page = services().webhooks.page(*asked.page, team_id=asked.query.get("team_id"), by=asked.by)
        return shown_page(page, _shown)

    @operation(
        namespace, "create_webhook", "new_webhook", body="webhook_creation", tagged=True, status=201, errors=(404, 409)
    )
    def post(self, asked: Asked) -> dict[str, Any]:
        """Make a webhook; its signing secret is shown this once"""
        body = asked.body
        team_id = body.get("team_id", DEFAULT_TEAM)
        webhook = services().webhooks.create(
            body["name"], body["url"], body["event_types"], team_id=team_id, by=asked.by
        )
        return _shown(webhook)


@namespace.route("/<string:id>")
class Webhook(Resource):
    @operation(namespace, "get_webhook", "webhook", tagged=True, errors=(404,))
    def get(self, asked: Asked, id: str) -> dict[str, Any]:
        """Show a webhook, and how it goes there"""
        return _shown(services().webhooks.get(id, by=asked.by))

    @operation(namespace, "change_webhook", "webhook", body="webhook_change", tagged=True, errors=(404, 412))
    def patch(self, asked: Asked, id: str) -> dict[str, Any]:
        """Change a webhook, disable it, or enable it again: what waits is sent then

        What happens while it is disabled is not told there later.
        """
        webhook = services().webhooks.change(id, asked.body, by=asked.by, unless_changed=unless_changed(_shown))
        return _shown(webhook)

    @operation(namespace, "remove_webhook", errors=(404, 412))
    def delete(self, asked: Asked, id: str) -> None:
        """Remove a webhook with its secrets and deliveries"""
        services().webhooks.remove(id, by=asked.by, unless_changed=unless_changed(_shown))


@namespace.route("/<string:id>/rotate")
class Rotation(Resource):
    @operation(
        namespace,
        "rotate_webhook_secret",
        "new_webhook",
        body="webhook_rotation",
        tagged=True,
        once=True,
        errors=(404, 409, 412),
    )
    def post(self, asked: Asked, id: str) -> dict[str, Any]:
        """Give a webhook a new signing secret, shown this once; the one before signs too for the overlap"""
        overlap = timedelta(seconds=asked.body.get("overlap_seconds", 0))
        webhook = services().webhooks.rotate(id, overlap=overlap, by=asked.by, unless_changed=unless_changed(_shown))
        return _shown(webhook)


@namespace.route("/<string:id>/test")
class Test(Resource):
    @operation(namespace, "test_webhook", "delivery", body="webhook_test", status=202, errors=(404, 409))
    def post(self, asked: Asked, id: str) -> dict[str, Any]:
        """Send a made-up event; look at the delivery to see how it went"""
        return shown(services().webhook_deliveries.test(id, asked.body.get("event_type"), by=asked.by))


@namespace.route("/<string:id>/redeliver")
class Redeliveries(Resource):
    @operation(namespace, "redeliver_failed", "redeliveries", body="redelivery", status=202, errors=(404, 409))
    def post(self, asked: Asked, id: str) -> dict[str, Any]:
        """Attempt again what failed since a moment, 500 at most

        The oldest come first: ask again until there are none.
        """
        since = asked.moment("since")
        assert since is not None  # noqa: S101 - the schema requires it
        until = asked.moment("until")
        return {"deliveries": services().webhook_deliveries.redeliver_failed(id, since, until, by=asked.by)}


@namespace.route("/<string:id>/deliveries")
class Deliveries(Resource):
    @operation(namespace, "list_deliveries", "delivery", query="delivery_query", many=True, errors=(404,))
    def get(self, asked: Asked, id: str) -> dict[str, Any]:
        """List what was, and is to be, told to a webhook, newest first"""
        page = services().webhook_deliveries.page(
            id, *asked.page, state=asked.query.get("state"), event_type=asked.query.get("event_type"), by=asked.by
        )
        return shown_page(page)


@namespace.route("/<string:id>/deliveries/<string:delivery_id>")
class Delivery(Resource):
    @operation(namespace, "get_delivery", "delivery", errors=(404,))
    def get(self, asked: Asked, id: str, delivery_id: str) -> dict[str, Any]:
        """Show a delivery with the latest attempts at it"""
        return shown(services().webhook_deliveries.get(id, delivery_id, by=asked.by))


@namespace.route("/<string:id>/deliveries/<string:delivery_id>/redeliver")
class Redelivery(Resource):
    @operation(namespace, "redeliver", "delivery", status=202, errors=(404, 409))
    def post(self, asked: Asked, id: str, delivery_id: str) -> dict[str, Any]:
        """Attempt a delivery again from now on, under the same `webhook-id`"""
        return shown(services().webhook_deliveries.redeliver(id, delivery_id, by=asked.by))


def _shown(webhook: WebhookValue) -> dict[str, Any]:
    document = shown(webhook, "secrets", "signing_secret")
    document["secrets"] = [shown(one) for one in webhook.secrets]
    if webhook.signing_secret is not None:
        document["signing_secret"] = webhook.signing_secret
    return document
