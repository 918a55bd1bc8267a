import io
from pathlib import Path

from tollhouse.cli.steady_file import SteadyFile


def test_what_is_added_while_it_is_read_is_not_there_and_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_bytes(b"one\ntwo\n")
    with SteadyFile(path) as file:
        assert not file.has_changed
        assert file.seek(0, io.SEEK_END) == file.size == 8
        assert file.seek(0) == 0
        assert file.read(4) == b"one\n"
        with path.open("ab") as more:
            more.write(b"three\n")
        assert (file.read(100), file.read(), file.tell()) == (b"two\n", b"", 8)
        assert file.has_changed
        assert file.seek(0, io.SEEK_END) == 8
        file.seek(0)
        assert file.read() == b"one\ntwo\n"


def test_what_was_cut_meanwhile_is_noticed_too(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_bytes(b"one\ntwo\n")
    with SteadyFile(path) as file:
        path.write_bytes(b"one\n")
        assert file.read() == b"one\n"
        assert file.has_changed
