"""``clue-ner serve``: a model behind HTTP."""

import logging
import re
from pathlib import Path
from typing import Any

import click

from clue_ner.cli.model import device_option, first_model, runtime_option
from clue_ner.common.extras import explained
from clue_ner.common.paths import is_registry_name


@click.command()
@click.option(
    "--model",
    metavar="FOLDER|models:/NAME@ALIAS|runs:/RUN_ID/NAME",
    help="The model, as in `clue-ner tag`; it is loaded once.",
)
@click.option(
    "--follow",
    metavar="models:/NAME@ALIAS",
    help="Serve the version that an alias points to, and switch without interruption when the alias moves.",
)
@click.option(
    "--poll", type=click.FloatRange(min=1), default=30.0, show_default=True, help="Seconds between checks of the alias."
)
@runtime_option
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Processes that compute, each with a copy of the model.  [default: one per core, at most 4; on a GPU one]",
)
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads of each process.  [default: cores / workers]")
@device_option
@click.option("--host", default="127.0.0.1", show_default=True, help="The address; others need --token-file.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="The port; 0: one that is free."
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    help="A file with the token that requests must send: `Authorization: Bearer TOKEN`.",
)
@click.option("--allow-host", multiple=True, metavar="NAME", help="A host name of the service, such as `ner.lan`.")
@click.option(
    "--allow-origin", multiple=True, metavar="URL", help="A site whose pages may use it, such as `https://example.org`."
)
@click.option(
    "--max-body", type=click.IntRange(min=1024), default=2**20, show_default=True, help="Maximum bytes of a body."
)
@click.option(
    "--max-texts", type=click.IntRange(min=1), default=256, show_default=True, help="Maximum texts of a request."
)
@click.option(
    "--max-characters", type=click.IntRange(min=1), default=20_000, show_default=True, help="Maximum length of a text."
)
@click.option(
    "--max-waiting",
    type=click.IntRange(min=1),
    default=65_536,
    show_default=True,
    help="Maximum characters of all waiting requests; above it, the status is 503.",
)
@click.option(
    "--max-connections",
    type=click.IntRange(min=1),
    default=512,
    show_default=True,
    help="Maximum number of connections.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    default=30.0,
    show_default=True,
    help="Maximum seconds from the arrival of a request to its response.",
)
@click.option(
    "--network-timeout",
    type=click.FloatRange(min=0.1),
    default=10.0,
    show_default=True,
    help="Maximum seconds for a client to send the headers, to send the body, and to read the response.",
)
def serve(model: str | None, follow: str | None, token_file: Path | None, **options: Any) -> None:
    """Serve a model over HTTP, with a page to try it.

    It listens only on this machine, unless --host is given. SIGTERM ends it after all requests are answered.
    """
    if model is not None and follow is not None:
        raise click.UsageError("give either --model or --follow")
    if follow is not None and not (is_registry_name(follow) and "@" in follow):
        raise click.BadParameter(f"{follow!r} never moves; wanted models:/NAME@ALIAS", param_hint="--follow")
    for url in options["allow_origin"]:
        if not re.fullmatch(r"https?://[^/*\s]+/?", url):
            raise click.BadParameter(f"{url!r}: wanted https://HOST", param_hint="--allow-origin")
    with explained("`clue-ner serve`", "serve"):
        from clue_ner.serving import server
        from clue_ner.serving.guard import Access
        from clue_ner.serving.service import Limits, Model

    token = None if token_file is None else server.read_token(token_file)
    server.check_address(options["host"], token is not None)
    logging.basicConfig(format="%(message)s", level=logging.ERROR)
    logging.getLogger("clue_ner").setLevel(logging.WARNING)
    server.run(
        Model(
            name=follow or model or first_model()[0],
            runtime=options["runtime"],
            workers=options["workers"],
            threads=options["threads"],
            device=options["device"],
            follow=follow is not None,
            poll_seconds=options["poll"],
        ),
        Limits(
            body_bytes=options["max_body"],
            texts=options["max_texts"],
            characters=options["max_characters"],
            waiting=options["max_waiting"],
            connections=options["max_connections"],
            seconds=options["timeout"],
            network_seconds=options["network_timeout"],
        ),
        Access(
            token=token,
            hosts=frozenset(name.lower() for name in options["allow_host"]),
            origins=frozenset(url.rstrip("/") for url in options["allow_origin"]),
        ),
        options["host"],
        options["port"],
    )
