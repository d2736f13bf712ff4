"""An environment with made-up passwords and tokens, and a check that a text shows none of them."""

PASSWORD, TOKEN = "pass%40word-1", "tok-en-of-no-known-form"
ENVIRONMENT = {
    "HF_TOKEN": TOKEN,
    "HF_ENDPOINT": f"http://me:{PASSWORD}@127.0.0.1:9",
    "CLUENER_MIRROR": f"http://me:{PASSWORD}@127.0.0.1:9/cluener?token=query-secret",
    "MLFLOW_TRACKING_URI": f"http://me:{PASSWORD}@127.0.0.1:9",
    "AWS_SECRET_ACCESS_KEY": "amazons-own",
}
SECRET = ("pass%40word", "pass@word", "tok-en-of", "query-secret", "amazons-own", "bWU6cGFzc0B3b3JkLTE=")
"""What no text may show: the secrets of ``ENVIRONMENT`` in their forms."""


def assert_kept(text: str) -> None:
    """No secret of ``ENVIRONMENT`` is in the text, in any form."""
    assert not [(secret, text[at - 200 : at + 50]) for secret in SECRET if (at := text.find(secret)) >= 0]
