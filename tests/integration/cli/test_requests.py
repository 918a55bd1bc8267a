"""`tollhouse requests` and `tollhouse teams payloads`."""

from tests.gateway import Gateway


def test_a_call_is_listed_and_shown_and_so_is_an_error(tollhouse) -> None:
    gateway = Gateway(tollhouse.settings)
    assert tollhouse.json("teams", "payloads", "team_default", "--days", "3")["payload_days"] == 3
    gateway.services.serve().catalogue.refresh()
    made = gateway.chat("hello big world").headers["x-request-id"]
    refused = gateway.chat(model="nowhere").headers["x-request-id"]
    gateway.rows(1)
    gateway.close()
    (row,) = tollhouse.json("requests", "list", "--model", "echo", "--text", "BIG world")
    assert (row["request_id"], row["status"]) == (made, 200)
    assert tollhouse.json("requests", "list", "--status", "500") == []
    shown = tollhouse.json("requests", "show", made)
    assert shown["payload"]["request"]["messages"][0]["content"] == "hello big world"
    assert "big world" in tollhouse("requests", "show", made).stdout
    assert made in tollhouse("requests", "list").stdout
    told = tollhouse.json("requests", "show", refused)
    assert (told["status"], told["attempts"]) == (404, [])
    assert "nowhere" in tollhouse("requests", "show", refused).stdout
    assert "is not kept" in tollhouse("teams", "payloads", "team_default", "--off").stdout


def test_what_is_not_there_is_a_sentence(tollhouse) -> None:
    assert "no request" in tollhouse.error("requests", "show", "req_nowhere")
    tollhouse.error("teams", "payloads", "team_default", status=2)
    tollhouse.error("teams", "payloads", "team_default", "--off", "--days", "3", status=2)
