"""`/api/providers`: hosts that calls go to."""

from typing import Any

from flask_restx import Namespace, Resource

from tollhouse.services.models.providers import Provider as ProviderValue
from tollhouse.web.gate import services
from tollhouse.web.operation import Asked, operation, shown, shown_page, unless_changed

namespace = Namespace("providers", "Hosts that calls go to. Their credentials go in, and never come out.")


@namespace.route("")
class Providers(Resource):
    @operation(namespace, "list_providers", "provider", query="provider_query", many=True)
    def get(self, asked: Asked) -> dict[str, Any]:
        """List the providers, oldest first"""
        return shown_page(services().providers.page(*asked.page, name=asked.query.get("name"), by=asked.by), _shown)

    @operation(namespace, "create_provider", "provider", body="new_provider", tagged=True, status=201, errors=(409,))
    def post(self, asked: Asked) -> dict[str, Any]:
        """Add a provider, effective in all processes within a second"""
        body = asked.body
        provider = services().providers.add(
            body["name"],
            body["format"],
            body["base_url"],
            credential=body.get("credential"),
            allow_private=body.get("allow_private", False),
            by=asked.by,
        )
        return _shown(provider)


@namespace.route("/<string:id>")
class Provider(Resource):
    @operation(namespace, "get_provider", "provider", tagged=True, errors=(404,))
    def get(self, asked: Asked, id: str) -> dict[str, Any]:
        """Show a provider, and whether it has a credential"""
        return _shown(services().providers.get(id, by=asked.by))

    @operation(namespace, "change_provider", "provider", body="provider_change", tagged=True, errors=(404, 409, 412))
    def patch(self, asked: Asked, id: str) -> dict[str, Any]:
        """Change a provider, or renew its credential; null takes that away

        With a base URL of another host, the credential must be given anew: what is kept goes to no other host.
        """
        body = asked.body
        provider = services().providers.change(
            id,
            preset=body.get("format"),
            base_url=body.get("base_url"),
            credential=(body["credential"] or "") if "credential" in body else None,
            allow_private=body.get("allow_private"),
            by=asked.by,
            unless_changed=unless_changed(_shown),
        )
        return _shown(provider)

    @operation(namespace, "remove_provider", errors=(404, 409, 412))
    def delete(self, asked: Asked, id: str) -> None:
        """Remove a provider that no model is called at"""
        services().providers.remove(id, by=asked.by, unless_changed=unless_changed(_shown))


@namespace.route("/<string:id>/check")
class Check(Resource):
    @operation(namespace, "check_provider", "provider_check", errors=(404,))
    def post(self, asked: Asked, id: str) -> dict[str, Any]:
        """Ask a provider for its models: whether it answers, and takes the credential"""
        (check,) = services().providers.check(id, by=asked.by)
        return shown(check, "refused")


@namespace.route("/<string:id>/keys")
class Keys(Resource):
    @operation(namespace, "list_provider_keys", "provider_key", query="page_query", many=True, errors=(404,))
    def get(self, asked: Asked, id: str) -> dict[str, Any]:
        """List a provider's keys by name, never the keys themselves; its own is called default, and comes first"""
        return shown_page(services().provider_keys.page(id, *asked.page, by=asked.by))

    @operation(namespace, "add_provider_key", "provider_key", body="new_provider_key", status=201, errors=(404, 409))
    def post(self, asked: Asked, id: str) -> dict[str, Any]:
        """Add a key beside the one that a provider has: calls go out with them in turn

        Each rests by its own rate limits, as the provider's headers tell them.
        """
        return shown(services().provider_keys.add(id, asked.body["name"], asked.body["credential"], by=asked.by))


@namespace.route("/<string:id>/keys/<string:name>")
class Key(Resource):
    @operation(namespace, "renew_provider_key", "provider_key", body="provider_key_renewal", errors=(404,))
    def patch(self, asked: Asked, id: str, name: str) -> dict[str, Any]:
        """Put another secret in the place of this one"""
        return shown(services().provider_keys.renew(id, name, asked.body["credential"], by=asked.by))

    @operation(namespace, "remove_provider_key", errors=(404, 409))
    def delete(self, asked: Asked, id: str, name: str) -> None:
        """Remove a key; the default one goes last"""
        services().provider_keys.remove(id, name, by=asked.by)


def _shown(provider: ProviderValue) -> dict[str, Any]:
    return {**shown(provider, "preset"), "format": provider.preset}
