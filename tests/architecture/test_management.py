"""Namespaces hand every service whoever asks: what a service does without `by`, it does as the gateway itself."""

import ast
from pathlib import Path

API = Path(__file__).parent.parent.parent / "src" / "tollhouse" / "web" / "api"
WITHOUT = {
    # Those who are not signed in: a password, a token or a link says who it is.
    ("issuer_sign_in", "begin"),
    ("issuer_sign_in", "finish"),
    ("sign_in", "sign_in"),
    ("tokens", "renew"),
    ("password_resets", "request"),
    ("password_resets", "reset"),
    ("invitations", "accept"),
}


def calls_of_services(tree: ast.Module) -> list[tuple[str, str, ast.Call]]:
    """(service, method, call) of each `services().SERVICE.METHOD(…)`, also through a name."""
    aliases = {
        target.id: value.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target, value in _pairs(node)
        if isinstance(target, ast.Name) and _is_service(value)
    }
    found = []
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if isinstance(call.func, ast.Attribute):
            of = call.func.value
            if _is_service(of):
                found.append((of.attr, call.func.attr, call))
            elif isinstance(of, ast.Name) and of.id in aliases:
                found.append((aliases[of.id], call.func.attr, call))
    return found


def _pairs(node: ast.Assign):
    (target,) = node.targets
    if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
        return zip(target.elts, node.value.elts, strict=True)
    return [(target, node.value)]


def _is_service(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "services"
    )


def _is_by(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "by"


def test_every_call_of_a_service_says_for_whom() -> None:
    seen = 0
    for path in API.glob("*.py"):
        for service, method, call in calls_of_services(ast.parse(path.read_text())):
            said = any(one.arg == "by" and _is_by(one.value) for one in call.keywords) or any(map(_is_by, call.args))
            assert said != ((service, method) in WITHOUT), f"{path.name}: {service}.{method}"
            seen += 1
    assert seen >= 25
