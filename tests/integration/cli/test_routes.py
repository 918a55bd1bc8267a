"""`models deploy`, `route` and `explain`, and routes in the file of `apply`."""

import tomllib
from pathlib import Path

import pytest

FILE = """
[providers.one]
format = "openai"
base_url = "https://one.example/v1"

[providers.two]
format = "openai"
base_url = "https://two.example/v1"

[models.m]
provider = "one"
upstream_model = "m-1"

[models.large]
provider = "two"

[routes.m]
strategy = "weighted"
sticky = "session"
aliases = ["old"]
context_fallbacks = ["large"]
first_byte_seconds = 2.5
weight = 3
lacks = ["images"]

[[routes.m.deployments]]
provider = "two"
input_price = 0.50
output_price = "1.5"
rpm = 100

[[routes.m.deployments]]
provider = "two"
upstream_model = "m-2"
priority = 1
"""


@pytest.fixture
def applied(tollhouse, tmp_path: Path) -> Path:
    path = tmp_path / "tollhouse.toml"
    path.write_text(FILE)
    tollhouse("apply", str(path))
    return path


def test_routes_of_a_file_are_applied_once_and_exported_as_they_are(tollhouse, applied: Path) -> None:
    assert tollhouse.json("apply", str(applied)) == []
    route = tomllib.loads(tollhouse("export").stdout)["routes"]["m"]
    assert route == {
        **tomllib.loads(FILE)["routes"]["m"],
        "deployments": [
            {"provider": "two", "input_price": "0.5", "output_price": "1.5", "rpm": 100},
            {"provider": "two", "upstream_model": "m-2", "priority": 1},
        ],
    }


def test_a_route_that_the_file_says_less_of_becomes_less(tollhouse, applied: Path) -> None:
    applied.write_text(FILE[: FILE.index("[routes.m]")] + "[routes.m]\n[routes.large]\n")
    (change,) = tollhouse.json("diff", str(applied))
    assert (change["section"], change["name"]) == ("routes", "m")
    tollhouse("apply", str(applied))
    assert tollhouse.json("diff", str(applied)) == []
    assert tollhouse.json("models", "deployments") == []
    assert tollhouse.json("models", "route", "m")["strategy"] == "ordered"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[routes.m]\nstrategy = "fast"\n', "strategy"),
        ("[routes.m]\nspeed = 1\n", "routes.m.speed"),
        ('[routes.nowhere]\nstrategy = "weighted"\n', "no model 'nowhere'"),
        ('[[routes.m.deployments]]\nprovider = "two"\ninput_price = "x"\n', "routes.m.deployments[0].input_price"),
        ('[models.large]\nprovider = "two"\nfallbacks = ["m"]\n[models.m]\nprovider = "one"\nfallbacks = ["large"]\n',
         "loop"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_route_is_named_and_nothing_is_changed(
    tollhouse, applied: Path, text: str, told: str
) -> None:
    before = tollhouse("export").stdout
    applied.write_text(text)
    assert told in tollhouse("apply", str(applied), status=2 if "nowhere" not in text else 1).stderr
    assert tollhouse("export").stdout == before


def test_fallbacks_may_be_turned_round_in_one_file(tollhouse, applied: Path) -> None:
    for ends in (("m", "large"), ("large", "m")):
        models = "".join(
            f'[models.{name}]\nprovider = "two"\n' + (f'fallbacks = ["{ends[1]}"]\n' if name == ends[0] else "")
            for name in ("large", "m")
        )
        applied.write_text(models)
        tollhouse("apply", str(applied))
        shown = {one["name"]: one["fallbacks"] for one in tollhouse.json("models", "list")}
        assert shown == {ends[0]: [ends[1]], ends[1]: []}


def test_a_deployment_is_added_shown_and_removed(tollhouse, applied: Path) -> None:
    added = tollhouse.json(
        "models", "deploy", "large", "--provider", "one", "--upstream-model", "l-1", "--weight", "2",
        "--priority", "1", "--lacks", "tools", "--lacks", "schema", "--rpm", "60", "--input-price", "0.1",
        "--output-price", "0.4",
    )  # fmt: skip
    assert (added["provider"], added["upstream_model"], added["weight"], added["priority"]) == ("one", "l-1", 2, 1)
    assert (added["lacks"], added["rpm"], added["input_usd_per_mtok"]) == (["tools", "schema"], 60, "0.1")
    assert tollhouse.json("models", "deployments", "large") == [added]
    assert added["id"] in tollhouse("models", "deployments").stdout
    assert tollhouse.json("models", "undeploy", "large", added["id"]) == {"id": added["id"], "removed": True}
    assert tollhouse.json("models", "deployments", "large") == []


def test_a_route_is_changed_in_what_is_said_and_shown(tollhouse, applied: Path) -> None:
    changed = tollhouse.json("models", "route", "m", "--strategy", "cheapest", "--rpm", "30", "--lacks", "none")
    assert (changed["strategy"], changed["sticky"], changed["aliases"]) == ("cheapest", "session", ["old"])
    assert (changed["rpm"], changed["lacks"], changed["weight"]) == (30, [], 3)
    assert changed["first_byte_seconds"] == 2.5
    timed = tollhouse.json("models", "route", "m", "--first-byte-seconds", "none", "--idle-seconds", "1.5")
    assert (timed["first_byte_seconds"], timed["idle_seconds"]) == (None, 1.5)
    ended = tollhouse.json("models", "route", "m", "--sticky", "none", "--alias", "none", "--rpm", "off")
    assert (ended["sticky"], ended["aliases"], ended["rpm"]) == (None, [], None)
    assert tollhouse.json("models", "route", "m") == ended
    assert "strategy: cheapest" in tollhouse("models", "route", "m").stdout


def test_it_is_explained_where_a_call_would_go_and_why(tollhouse, applied: Path) -> None:
    tollhouse("models", "route", "m", "--strategy", "ordered", "--sticky", "none")
    told = tollhouse.json("models", "explain", "old", "--images", "1")
    assert (told["model"], told["booked_as"]) == ("old", "m")
    assert [(one["place"], one["provider"], one["upstream_model"]) for one in told["targets"]] == [
        (1, "two", "m-1"),
        (2, "two", "m-2"),
        (None, "one", "m-1"),
    ]
    assert told["targets"][2]["why"] == "it cannot see images"
    assert "when those fail" in tollhouse("models", "explain", "m").stdout


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("deploy", "m", "--provider", "nobody"), 1, "tollhouse providers list"),
        (("deploy", "m", "--provider", "two", "--weight", "-1"), 2, "weight"),
        (("route", "m", "--strategy", "fast"), 2, "strategy"),
        (("route", "m", "--alias", "large"), 1, "taken"),
        (("undeploy", "m", "dep_x"), 1, "models deployments"),
        (("explain", "nope"), 1, "does not exist"),
        (("explain", "m", "--format", "smoke"), 2, "--format"),
    ],
)
def test_what_cannot_be_is_refused(
    tollhouse, applied: Path, arguments: tuple[str, ...], status: int, sentence: str
) -> None:
    assert sentence in tollhouse.error("models", *arguments, status=status)
