"""What is refused before anything is served: addresses without a token, token files, ports."""

import re
import socket
from pathlib import Path

import pytest
from support.commands import run

from clue_ner.common.errors import ServingError
from clue_ner.serving.server import check_address, listening, read_token

TOKEN = "0123456789abcdef"


def token_file(folder: Path, content: str, mode: int = 0o600) -> Path:
    path = folder / "token"
    path.write_text(content, encoding="utf-8")
    path.chmod(mode)
    return path


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_own_addresses_need_no_token(host: str) -> None:
    check_address(host, has_token=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "ner.example", ""])
def test_other_addresses_need_a_token(host: str) -> None:
    check_address(host, has_token=True)
    with pytest.raises(ServingError, match="add --token-file"):
        check_address(host, has_token=False)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640])
def test_token_is_read_from_a_file_that_others_cannot_read(tmp_path: Path, mode: int) -> None:
    assert read_token(token_file(tmp_path, f"{TOKEN}\n", mode)) == TOKEN


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o620])
def test_token_file_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ServingError, match=f"its mode is {mode:o}.*chmod 600") as caught:
        read_token(token_file(tmp_path, TOKEN, mode))
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("content", ["", "\n", TOKEN[:-1], f"{TOKEN} {TOKEN}", f"{TOKEN}\n{TOKEN}", f"{TOKEN}\x00"])
def test_token_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(ServingError, match=r"wanted one token of at least 16") as caught:
        read_token(token_file(tmp_path, content))
    assert TOKEN not in str(caught.value)


def test_token_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="No such file"):
        read_token(tmp_path / "missing")
    with pytest.raises(ServingError, match="Is a directory"):
        read_token(tmp_path)
    with pytest.raises(ServingError, match="not ASCII"):
        read_token(token_file(tmp_path, "密" * 20))


def test_a_port_that_is_taken_is_refused() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        message = f"{port}: Address already in use; choose another with --port"
        with pytest.raises(ServingError, match=message), listening("127.0.0.1", port):
            pass


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ServingError, match="wanted an address of this machine"), listening("no.such.invalid", 0):
        pass


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--host", "0.0.0.0"], 1, "error: --host 0.0.0.0: anybody on other machines could send requests"),
        (["--model", "x", "--follow", "models:/a@b"], 2, "give either --model or --follow"),
        (["--follow", "models:/a/1"], 2, "'models:/a/1' never moves"),
        (["--follow", "models/export"], 2, "never moves"),
        (["--token-file", "nowhere"], 1, "error: nowhere: No such file"),
        (["--allow-origin", "*"], 2, "'*': wanted https://HOST"),
        (["--allow-origin", "https://a.example/page"], 2, "wanted https://HOST"),
        (["--port", "70000"], 2, "70000 is not in the range"),
    ],
)
def test_serve_refuses(options: list[str], status: int, message: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("serve", *options)
    assert result.exit_code == status
    assert re.search(re.escape(message), result.output), result.output
