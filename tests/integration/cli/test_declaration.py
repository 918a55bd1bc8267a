"""`apply`, `diff` and `export`: one file that says what is there."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from tollhouse.store.records import WebhookRecord

FILE = """
[providers.host]
format = "openai"
base_url = "https://host.example/v1"
api_key_env = "HOST_KEY"

[models.small]
provider = "host"
upstream_model = "small-1"
input_price = 0.25
output_price = "1.50"
fallbacks = ["large"]

[models.large]
provider = "host"
input_price = 2
output_price = 8
max_output = 4096
context_window = 64000

[teams."data science"]

[teams.gone]
archived = true

[[limits]]
team = "data science"
rpm = 60
concurrency = 4

[[limits]]
organisation = "all"
tpm = 100000

[[budgets]]
team = "team_default"
usd = 100
period = "month"
timezone = "Europe/Berlin"

[[budgets]]
tag = "Batch"
usd = "2.5"
period = "day"
hard = false
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOST_KEY", "sk-planted-canary")
    path = tmp_path / "tollhouse.toml"
    path.write_text(FILE)
    return path


def test_a_file_is_applied_once_and_then_changes_nothing(tollhouse, file: Path) -> None:
    made = tollhouse.json("apply", str(file))
    assert [(change["section"], change["name"], change["action"]) for change in made] == [
        ("providers", "host", "add"),
        ("models", "small", "add"),
        ("models", "large", "add"),
        ("teams", "data science", "add"),
        ("teams", "gone", "add"),
        ("budgets", "team default month", "add"),
        ("budgets", "tag batch day", "add"),
        ("limits", "team data science", "add"),
        ("limits", "organisation all", "add"),
    ]
    assert tollhouse.json("apply", str(file)) == []
    small = next(model for model in tollhouse.json("models", "list") if model["name"] == "small")
    assert (small["input_usd_per_mtok"], small["upstream_model"], small["fallbacks"]) == ("0.25", "small-1", ["large"])
    assert [budget["limit_usd"] for budget in tollhouse.json("budgets", "list")] == ["100", "2.5"]
    assert tollhouse.json("providers", "list")[0]["has_key"] is True


def test_what_is_exported_makes_the_same_again_and_has_no_secret(tollhouse, file: Path) -> None:
    tollhouse("apply", str(file))
    exported = tollhouse("export").stdout
    assert "sk-planted-canary" not in exported
    assert tomllib.loads(exported)["models"]["small"]["fallbacks"] == ["large"]
    file.write_text(exported)
    assert tollhouse.json("diff", str(file)) == []
    assert tomllib.loads(exported) == tollhouse.json("export")


def test_a_dry_run_shows_what_would_change_and_changes_nothing(tollhouse, file: Path) -> None:
    tollhouse("apply", str(file))
    file.write_text(
        FILE.replace("0.25", "0.30").replace("host.example", "other.example").replace("usd = 100", "usd = 7")
    )
    before = tollhouse("export").stdout
    told = tollhouse("diff", str(file)).stdout
    assert "~ providers host: base_url https://host.example/v1 -> https://other.example/v1" in told
    assert "~ models small: input_price 0.25 -> 0.3" in told
    assert "~ budgets team default month: usd 100 -> 7" in told
    assert tollhouse.json("apply", str(file), "--dry-run")[1]["fields"] == ["input_price"]
    assert tollhouse("export").stdout == before
    assert len(tollhouse.json("apply", str(file))) == 3
    assert tollhouse.json("diff", str(file)) == []


def test_another_key_is_a_change_that_is_not_shown(tollhouse, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tollhouse("apply", str(file))
    monkeypatch.setenv("HOST_KEY", "sk-another-canary")
    told = tollhouse("diff", str(file)).stdout
    assert "~ providers host: the key in HOST_KEY" in told
    assert "canary" not in told


def test_further_keys_are_named_by_their_variables_and_others_stay(
    tollhouse, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOST_KEY_2", "sk-second-canary")
    file.write_text(FILE.replace('"HOST_KEY"\n', '"HOST_KEY"\nkeys = { second = "HOST_KEY_2" }\n'))
    tollhouse("apply", str(file))
    tollhouse("providers", "keys", "add", "host", "--name", "third", "--api-key-env", "HOST_KEY")
    assert tollhouse.json("apply", str(file)) == []
    assert "canary" not in tollhouse("export").stdout
    monkeypatch.setenv("HOST_KEY_2", "sk-renewed-canary")
    told = tollhouse("diff", str(file)).stdout
    assert "~ providers host: the keys in HOST_KEY_2" in told
    assert "canary" not in told
    (change,) = tollhouse.json("apply", str(file))
    assert change["fields"] == ["keys"]
    assert tollhouse.json("apply", str(file)) == []
    keys = [key["name"] for key in tollhouse.json("providers", "keys", "list", "host")]
    assert keys == ["default", "second", "third"]
    monkeypatch.delenv("HOST_KEY_2")
    assert "providers.host.keys.second: the variable HOST_KEY_2 is not set" in tollhouse.error(
        "apply", str(file), status=2
    )


def test_what_the_file_does_not_name_stays(tollhouse, file: Path) -> None:
    tollhouse("apply", str(file))
    file.write_text('[providers.second]\nformat = "openai"\nbase_url = "https://second.example/v1"\n')
    tollhouse("apply", str(file))
    assert [one["name"] for one in tollhouse.json("providers", "list")] == ["host", "second"]
    assert len(tollhouse.json("models", "list")) == 2


WRONG = [
    ('[providers.x]\nformat = "openai"\n', "providers.x.base_url: this field is required"),
    (
        '[providers.x]\nformat = "openai"\nbase_url = "https://x.example"\ncolour = 1\n',
        "providers.x.colour: there is no such field",
    ),
    ('[providers.x]\nformat = "nope"\nbase_url = "https://x.example"\n', "format: it must be one of"),
    (
        '[providers.x]\nformat = "openai"\nbase_url = "https://x.example"\napi_key_env = "NOT_SET_ANYWHERE"\n',
        "providers.x.api_key_env: the variable NOT_SET_ANYWHERE is not set",
    ),
    ('[models.m]\nprovider = "nobody"\n', "no provider 'nobody'"),
    ('[models.m]\nprovider = "host"\ninput_price = "cheap"\noutput_price = 1\n', "models.m.input_price: 'cheap'"),
    ('[models.m]\nprovider = "host"\nfallbacks = ["nowhere"]\n', "no other model 'nowhere'"),
    ('[models.m]\nprovider = "host"\ncache_embedding_model = "nowhere"\n', "no other model 'nowhere'"),
    ('[models.m]\nprovider = "host"\ncache_similarity = "high"\n', "models.m.cache_similarity: it must be"),
    ('[[budgets]]\nusd = 1\nperiod = "day"\n', "budgets[0]: it must be for one of"),
    ('[[budgets]]\nteam = "team_default"\ntag = "x"\nusd = 1\nperiod = "day"\n', "budgets[0]: it must be for one of"),
    ('[[budgets]]\nteam = "team_default"\nusd = -1\nperiod = "day"\n', "budgets[0].usd: '-1'"),
    ('[[budgets]]\nteam = "team_default"\nusd = 1\nperiod = "day"\ntimezone = "Mars/Base"\n', "not a time zone"),
    ("[teams.x]\ncolour = 1\n", "teams.x.colour: there is no such field"),
    ("[teams.team_mine]\n", "it may not begin with `team_`"),
    ("[teams.default]\narchived = true\n", "The default team stays"),
    ("[[limits]]\nrpm = 1\n", "limits[0]: it must be for one of"),
    ('[[limits]]\ntag = "x"\nrpm = 1\n', "limits[0].tag: there is no such field"),
    ('[[limits]]\nteam = "nowhere"\nrpm = 1\n', "no team 'nowhere'"),
    ('[[limits]]\nteam = "default"\nrpm = 0\n', "limits[0].rpm"),
    ('[[limits]]\nteam = "default"\n', "limits[0]: it must have at least one of"),
    (
        '[[limits]]\nteam = "default"\nrpm = 1\n[[limits]]\nteam = "team_default"\nrpm = 2\n',
        "limits[1]: there is another",
    ),
    ('[[budgets]]\ntag = "x"\nusd = 1\nperiod = "day"\nseconds = 1\n', "budgets[0].seconds: there is no such field"),
    ('[[webhooks]]\nname = "x"\n', "webhooks[0].url: this field is required"),
    (
        '[[webhooks]]\nname = "x"\nurl = "https://x.example"\nsecret = "s"\n',
        "webhooks[0].secret: there is no such field",
    ),
    ('[[webhooks]]\nname = "x"\nurl = "x.example"\n', "webhooks[0].url: it must be like https://"),
    ('[[webhooks]]\nname = "x"\nurl = "http://10.0.0.1/"\n', "webhooks[0].url: 10.0.0.1 is at a private address"),
    ('[[webhooks]]\nname = " "\nurl = "https://x.example"\n', "webhooks[0].name: it is empty"),
    (
        '[[webhooks]]\nname = "x"\nurl = "https://x.example"\nevent_types = []\n',
        "webhooks[0].event_types: name at least one",
    ),
    (
        '[[webhooks]]\nname = "x"\nurl = "https://x.example"\nevent_types = ["batch.done"]\n',
        "webhooks[0].event_types: there is no event 'batch.done'",
    ),
    (
        '[[webhooks]]\nname = "x"\nurl = "https://x.example"\nevent_types = ["provider.down"]\n',
        "webhooks[0].event_types: of provider.down only webhooks of the organisation hear",
    ),
    (
        '[[webhooks]]\nname = "x"\nurl = "https://x.example"\nteam = "default"\norganisation = "all"\n',
        "webhooks[0]: it must be for one of",
    ),
    ('[[webhooks]]\nname = "x"\nurl = "https://x.example"\nteam = "nowhere"\n', "no team 'nowhere'"),
    (
        '[[webhooks]]\nname = "x"\nurl = "https://x.example"\n' * 2,
        "webhooks[1]: there is another webhook of this owner, name and URL",
    ),
    ("[colours]\n", "colours: there is no such field"),
    ("providers = 1\n", "providers: "),
    ("= 1\n", "is not TOML"),
]


@pytest.mark.parametrize(("text", "sentence"), WRONG, ids=range(len(WRONG)))
def test_a_file_that_is_wrong_anywhere_changes_nothing(tollhouse, file: Path, text: str, sentence: str) -> None:
    tollhouse("apply", str(file))
    before = tollhouse("export").stdout
    new = '[providers.new]\nformat = "openai"\nbase_url = "https://new.example/v1"\n'
    # What cannot be read, or refers to what is not there, failed; the rest is a file of the wrong form.
    failed = "TOML" in sentence or sentence.startswith(("no provider", "no team", "The default"))
    status = 1 if failed else 2
    file.write_text(text + new if text.startswith("[") else text)
    assert sentence in tollhouse.error("apply", str(file), status=status)
    assert tollhouse("export").stdout == before


def test_teams_and_people_are_named_as_on_another_machine(tollhouse, file: Path) -> None:
    tollhouse("users", "create", "ada@example.com")
    file.write_text(
        '[teams.data]\n[[budgets]]\nteam = "data"\nusd = 1\nperiod = "day"\n'
        '[[limits]]\nuser = "Ada@Example.com"\nrpm = 5\ntpm = 7\n'
    )
    assert [change["name"] for change in tollhouse.json("apply", str(file), "--dry-run")] == [
        "data",
        "team data day",
        "user ada@example.com",
    ]
    assert "+ teams data\n" in tollhouse("diff", str(file)).stdout
    assert len(tollhouse.json("apply", str(file))) == 3
    assert tollhouse.json("apply", str(file)) == []
    exported = tomllib.loads(tollhouse("export").stdout)
    assert exported["limits"] == [{"user": "ada@example.com", "rpm": 5, "tpm": 7}]
    assert exported["budgets"] == [{"team": "data", "usd": "1", "period": "day"}]
    assert exported["teams"] == {"default": {}, "data": {}}


def test_an_export_leaves_out_what_is_set_on_people_and_models_that_are_gone(tollhouse, tmp_path: Path) -> None:
    tollhouse.json("users", "create", "leaver@example.com", "--role", "member")
    tollhouse("providers", "add", "spare", "--format", "echo", "--base-url", "echo:")
    for model in ("leaving", "staying"):
        tollhouse("models", "add", model, "--provider", "spare", "--input-price", "1", "--output-price", "1")
    for scope in (("--user", "leaver@example.com"), ("--model", "leaving"), ("--model", "staying")):
        tollhouse("budgets", "set", *scope, "--usd", "1", "--period", "day")
        tollhouse("limits", "set", *scope, "--rpm", "5")
    tollhouse("users", "delete", "leaver@example.com", "--yes")
    services = tollhouse.services()
    services.models.remove("leaving")
    services.close()
    exported = tollhouse("export").stdout
    document = tomllib.loads(exported)
    assert [one["model"] for one in (*document["budgets"], *document["limits"])] == ["staying", "staying"]
    path = tmp_path / "exported.toml"
    path.write_text(exported)
    assert tollhouse.json("apply", str(path)) == []


def test_what_the_file_leaves_out_of_a_limit_is_lifted_and_a_team_comes_back(tollhouse, file: Path) -> None:
    tollhouse("apply", str(file))
    file.write_text('[teams.gone]\n[[limits]]\nteam = "data science"\nrpm = 60\n')
    told = tollhouse("diff", str(file)).stdout
    assert "~ teams gone: archived True -> default" in told
    assert "~ limits team data science: concurrency 4 -> default" in told
    tollhouse("apply", str(file))
    assert {limit["concurrency"] for limit in tollhouse.json("limits", "list")} == {None}
    assert next(team for team in tollhouse.json("teams", "list") if team["name"] == "gone")["archived_at"] is None


def test_a_file_that_is_not_there_is_said_so(tollhouse, tmp_path: Path) -> None:
    assert "No such file" in tollhouse.error("apply", str(tmp_path / "nowhere.toml"), status=1)


def test_what_a_file_changes_is_told_as_the_shells_without_its_secrets(tollhouse, file: Path) -> None:
    tollhouse("apply", str(file), "--dry-run")
    assert tollhouse.json("audit") == []
    tollhouse("apply", str(file))
    file.write_text(FILE.replace("usd = 100", "usd = 200").replace('"1.50"', '"1.75"'))
    tollhouse("apply", str(file))
    entries = tollhouse.json("audit")
    assert {entry["actor_kind"] for entry in entries} == {"shell"}
    budget, model = (entry for entry in entries[:2])
    assert (budget["action"], budget["before"], budget["after"]) == ("budgets.change", {"usd": "100"}, {"usd": "200"})
    assert (model["action"], model["after"]) == ("models.change", {"output_price": "1.75"})
    assert "sk-planted-canary" not in str(entries)


def test_prices_in_steps_are_set_shown_and_travel_in_the_file(tollhouse, file: Path) -> None:
    tollhouse("apply", str(file))
    tollhouse("models", "prices", "small", "--cached-input-price", "0.025", "--batch-discount", "50")
    step = "above=200000,input=0.5,output=2.25,cached-input=0.05"
    assert tollhouse.json("models", "prices", "small", "--long-context", step) == {
        "cached_input_usd_per_mtok": "0.025",
        "cache_write_usd_per_mtok": None,
        "batch_discount": 50,
        "long_context": [
            {"above": 200000, "input": "0.5", "output": "2.25", "cached_input": "0.05", "cache_write": None}
        ],
    }
    exported = tollhouse("export").stdout
    assert tomllib.loads(exported)["prices"] == {
        "small": {
            "cached_input": "0.025",
            "batch_discount": 50,
            "long_context": [{"above": 200000, "input": "0.5", "output": "2.25", "cached_input": "0.05"}],
        }
    }
    tollhouse("models", "prices", "small", "--cached-input-price", "default", "--long-context", "none")
    assert tollhouse.json("models", "prices", "small")["long_context"] == []
    file.write_text(exported)
    assert [change["section"] for change in tollhouse.json("apply", str(file))] == ["prices"]
    assert tollhouse.json("apply", str(file)) == []
    for wrong in ("above=5", "above=5,input=1,output=x", "above=5,input=1,output=1,more=1", ""):
        assert "--long-context" in tollhouse.error("models", "prices", "small", "--long-context", wrong, status=2)
    refused = tollhouse.error("models", "prices", "small", "--batch-discount", "101", status=2)
    assert "batch-discount: it must be from 0 to 100 percent." in refused


HOOKS = """
[teams.data]

[[webhooks]]
team = "data"
name = "builds"
url = "https://hooks.example.com/builds"
event_types = ["batch.failed", "batch.completed"]

[[webhooks]]
organisation = "all"
name = "everything"
url = "https://hooks.example.com/all?token=t"
enabled = false
"""


def test_webhooks_are_made_changed_and_switched_by_the_file(tollhouse, file: Path) -> None:
    file.write_text(HOOKS)
    assert [(change["name"], change["action"]) for change in tollhouse.json("diff", str(file))] == [
        ("data", "add"),
        ('team data "builds"', "add"),
        ('organisation all "everything"', "add"),
    ]
    assert tollhouse.json("webhooks", "list") == []
    said = tollhouse("apply", str(file)).stdout
    assert "tollhouse webhooks rotate" in said
    assert "whsec_" not in said
    assert tollhouse.json("apply", str(file)) == []
    of_team, of_all = tollhouse.json("webhooks", "list")
    assert (of_team["url"], of_team["event_types"]) == (
        "https://hooks.example.com/builds",
        ["batch.completed", "batch.failed"],
    )
    assert (of_all["team_id"], of_all["event_types"], of_all["disabled_for"]) == (None, ["*"], "by_hand")
    assert len(of_team["secrets"]) == 1
    file.write_text(HOOKS.replace("/builds", "/moved").replace("enabled = false", 'event_types = ["*"]'))
    told = tollhouse("apply", str(file)).stdout
    assert (
        '~ webhooks team data "builds": url https://hooks.example.com/builds -> https://hooks.example.com/moved' in told
    )
    assert '~ webhooks organisation all "everything": enabled False -> default' in told
    assert "rotate" not in told
    moved, enabled = tollhouse.json("webhooks", "list")
    assert (moved["id"], moved["secrets"]) == (of_team["id"], of_team["secrets"])
    assert enabled["enabled"] is True
    assert tollhouse.json("apply", str(file)) == []


def test_an_export_has_webhooks_without_their_secrets_and_makes_the_same_elsewhere(
    tollhouse, file: Path, tmp_path: Path
) -> None:
    file.write_text(HOOKS)
    tollhouse("apply", str(file))
    secret = tollhouse.json("webhooks", "create", "https://hooks.example.com/shell")["signing_secret"]
    exported = tollhouse("export").stdout
    assert secret not in exported
    assert "whsec_" not in exported
    file.write_text(exported)
    assert tollhouse.json("diff", str(file)) == []
    elsewhere = {"TOLLHOUSE_HOME": str(tmp_path / "elsewhere")}
    tollhouse("apply", str(file), **elsewhere)
    assert tollhouse("export", **elsewhere).stdout == exported


def test_webhooks_of_one_name_are_told_apart_by_their_urls(tollhouse, file: Path) -> None:
    for path in ("a", "b", "b"):
        tollhouse("webhooks", "create", f"https://hooks.example.com/{path}")
    exported = tollhouse("export").stdout
    assert [one["url"][-1] for one in tomllib.loads(exported)["webhooks"]] == ["a", "b"]
    file.write_text(exported)
    assert tollhouse.json("apply", str(file)) == []
    file.write_text(exported.replace('com/a"', 'com/a", enabled = false').replace("com/b", "com/c"))
    changed = tollhouse.json("apply", str(file))
    assert [(change["name"][-1], change["action"], change["fields"]) for change in changed[:1]] == [
        ("a", "change", ["enabled"])
    ]
    assert (changed[1]["name"][-1], changed[1]["action"]) == ("c", "add")
    shown = [(one["url"][-1], one["enabled"]) for one in tollhouse.json("webhooks", "list")]
    assert shown == [("a", False), ("b", True), ("b", True), ("c", True)]


def test_a_webhook_that_was_disabled_by_itself_is_neither_exported_as_that_nor_enabled_by_a_file(
    tollhouse, file: Path
) -> None:
    file.write_text(HOOKS)
    tollhouse("apply", str(file))
    services = tollhouse.services()
    with services.database.write() as session:
        session.execute(
            update(WebhookRecord)
            .where(WebhookRecord.name == "builds")
            .values(disabled_for="failing", disabled_at=datetime(2026, 1, 2, tzinfo=UTC))
        )
    services.close()
    assert tollhouse.json("apply", str(file)) == []
    assert "enabled" not in next(one for one in tollhouse.json("export")["webhooks"] if one["name"] == "builds")
    assert tollhouse.json("webhooks", "list")[0]["disabled_for"] == "failing"
    file.write_text(HOOKS.replace('name = "builds"', 'name = "builds"\nenabled = false'))
    assert [change["fields"] for change in tollhouse.json("apply", str(file))] == [["enabled"]]
    assert tollhouse.json("webhooks", "list")[0]["disabled_for"] == "by_hand"
    assert tollhouse.json("apply", str(file)) == []


def test_models_may_name_by_which_others_their_cache_compares_before_those_are_there(tollhouse, file: Path) -> None:
    compared = 'cache_seconds = 60\ncache_embedding_model = "large"\ncache_similarity = 0.9\nfallbacks = ["large"]\n'
    file.write_text(FILE.replace('fallbacks = ["large"]\n', compared))
    tollhouse("apply", str(file))
    assert tollhouse.json("apply", str(file)) == []
    assert tollhouse.json("export")["models"]["small"]["cache_similarity"] == "0.9"
    file.write_text(FILE)
    assert tollhouse.json("apply", str(file))[0]["fields"] == [
        "cache_seconds",
        "cache_embedding_model",
        "cache_similarity",
    ]
    assert "cache_similarity" not in tollhouse.json("export")["models"]["small"]
