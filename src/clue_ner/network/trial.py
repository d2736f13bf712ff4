"""A pretrained encoder, run once on a few tokens: what it really does, whatever its configuration calls it.

No random number of the training is drawn, and the encoder is left as it was.

Letters: B batch, T tokens, H hidden size.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

TOKENS, PADDED = 6, 16
ATTENTION = "scaled_dot_product_attention"
TOLERANCE = 1e-4
"""Float32 that adds up in another order differs by less, relative to the largest state."""


def dropouts(encoder: Any) -> set[float]:
    """The probabilities above 0 with which the encoder drops anything while it trains."""
    seen = _SeenDropouts()
    with _as_it_was(encoder), seen:
        encoder.train()
        _states(encoder, [TOKENS, TOKENS], TOKENS)
    return seen.probabilities


def autocasts(encoder: Any) -> bool:
    """Whether the encoder computes under autocast; some fill masks with what only float32 can hold."""
    place = encoder.get_input_embeddings().weight.device
    with _as_it_was(encoder), torch.autocast(place.type, dtype=torch.bfloat16):
        try:
            return bool(_states(encoder, [PADDED, TOKENS], PADDED).isfinite().all())
        except RuntimeError:
            return False


def order(encoder: Any, modules: Sequence[nn.Module]) -> list[int]:
    """The indices of ``modules``, in the order in which a forward pass begins them."""
    begun: list[int] = []
    with _as_it_was(encoder), contextlib.ExitStack() as stack:
        for number, module in enumerate(modules):
            hook = module.register_forward_pre_hook(lambda *_, number=number: begun.append(number))
            stack.callback(hook.remove)
        _states(encoder, [TOKENS], TOKENS)
    return begun


def problem(encoder: Any) -> str | None:
    """Why a tagger cannot stand on the encoder; None if it can.

    It has to give a state for each token, which the padding behind a shorter row does not change.
    """
    kind = encoder.config.model_type
    with _as_it_was(encoder):
        try:
            size = encoder.config.hidden_size
            states = _states(encoder, [PADDED, TOKENS], PADDED)
            without_padding = _states(encoder, [TOKENS], TOKENS)
        except Exception as error:  # of whatever kind an architecture raises that wants other inputs
            return f"{kind} needs inputs other than token ids and a mask ({type(error).__name__}: {error})"
    if states.shape != (2, PADDED, size):
        return f"{kind} gives states {list(states.shape)} for 2 rows of {PADDED} tokens, wanted a state of {size} each"
    difference = (states[1, :TOKENS] - without_padding[0]).abs().max()
    if difference > TOLERANCE * without_padding.abs().max():
        return (
            f"{kind}'s state of a token depends on the padding after it, so the entities of a text would depend "
            "on its batch"
        )
    return None


def _states(encoder: Any, lengths: Sequence[int], padded: int) -> Tensor:
    """The states [B, T, H] of rows of ``lengths`` tokens, the shorter ones padded to ``padded``."""
    table = encoder.get_input_embeddings()
    padding = getattr(encoder.config, "pad_token_id", None) or 0
    place = table.weight.device
    mask = (torch.arange(padded)[None] < torch.tensor(lengths)[:, None]).long().to(place)  # [B, T]
    token = (padding + 1) % table.num_embeddings
    ids = torch.where(mask == 1, token, padding)  # [B, T]
    with torch.no_grad():
        states: Tensor = encoder(input_ids=ids, attention_mask=mask).last_hidden_state  # [B, T, H]
    return states


@contextlib.contextmanager
def _as_it_was(encoder: Any) -> Iterator[None]:
    """The encoder in eval mode, as it and the random numbers were before when this ends."""
    training, place = encoder.training, encoder.get_input_embeddings().weight.device
    with torch.random.fork_rng([place] if place.type == "cuda" else []):
        encoder.eval()
        try:
            yield
        finally:
            encoder.train(training)


class _SeenDropouts(TorchFunctionMode):
    """Notes the probability of every dropout that is called, in modules, as a function or inside attention."""

    def __init__(self) -> None:
        super().__init__()
        self.probabilities: set[float] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        name = getattr(func, "__name__", "")
        if name == ATTENTION:
            self.probabilities.add(named.get("dropout_p", args[4] if len(args) > 4 else 0.0))
        elif "dropout" in name:
            self.probabilities.add(named.get("p", args[1] if len(args) > 1 else 0.5))
        self.probabilities.discard(0.0)
        return func(*args, **named)
