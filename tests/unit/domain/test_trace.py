from tollhouse.domain.trace import Trace


def ended() -> tuple[Trace, list[Trace]]:
    done: list[Trace] = []
    return Trace("call", "server", done.append, id="a" * 32, parent="b" * 16), done


def test_stages_follow_one_another_and_attempts_go_on_beside_them() -> None:
    trace, done = ended()
    trace.stage("route")
    trace.stage("admit")
    trace.attempt("chat m", {"n": 1})
    trace.stage("relay")
    trace.end(None, {"status": 200})
    assert [name for name, _, _ in trace.stages] == ["route", "admit", "relay"]
    (attempt,) = trace.attempts
    assert (trace.id.hex(), trace.caller.hex()) == ("a" * 32, "b" * 16)
    (_, began, until), (_, after, sent), (_, relayed, over) = trace.stages
    assert trace.root.began <= began <= until == after <= sent == attempt.began <= relayed <= over == trace.root.ended
    assert attempt.began <= attempt.ended <= trace.root.ended
    assert done == [trace]
    assert len(trace) == 5


def test_nothing_is_added_once_it_has_ended_and_it_ends_once() -> None:
    trace, done = ended()
    trace.end("forbidden", {"status": 403})
    trace.stage("late")
    trace.attempt("late", {})
    trace.end(None, {"status": 200})
    assert len(trace) == 1
    assert trace.root.error == "forbidden"
    assert trace.root.attributes == {"status": 403}
    assert len(done) == 1
    assert not list(trace.stages)


def test_an_attempt_that_failed_says_so_and_the_next_is_a_span_of_its_own() -> None:
    trace, _ = ended()
    trace.attempt("chat a", {})
    trace.end_attempt("upstream_gone")
    trace.attempt("chat b", {})
    trace.end_attempt(None, (("used", 3),))
    trace.end(None, {})
    assert [(span.name, span.error) for span in trace.attempts] == [("chat a", "upstream_gone"), ("chat b", None)]
    assert trace.attempts[1].groups == ((("used", 3),),)


def test_who_is_called_is_told_the_attempt_as_its_parent() -> None:
    trace, _ = ended()
    assert trace.parent == f"00-{'a' * 32}-{trace.root.id:016x}-01"
    trace.attempt("chat a", {})
    assert trace.parent == f"00-{'a' * 32}-{trace.attempts[0].id:016x}-01"
