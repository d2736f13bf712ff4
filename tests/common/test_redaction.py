"""Messages without secrets."""

import pytest

from clue_ner.common.redaction import SECRETS, redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see https://me:p@ss@example.org/a\nthere", "see https://***@example.org/a\nthere"),
        ("https://example.org/a", "https://example.org/a"),
        (
            "http://me:x@a.org and http://b.org: models:/m@champion",
            "http://***@a.org and http://b.org: models:/m@champion",
        ),
        ("token hf_0123456789 refused", "token *** refused"),
    ],
)
def test_redact_hides_user_password_and_token(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize("name", SECRETS)
def test_redact_hides_what_the_environment_keeps_secret(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "s3cret")
    assert redact("Bearer s3cret was refused") == "Bearer *** was refused"
