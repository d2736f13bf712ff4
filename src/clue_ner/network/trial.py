"""One forward pass of a pretrained encoder on a few tokens, to find out what it really does.

The random number generators and the encoder are left unchanged.

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
"""Tolerance relative to the largest state: float32 sums in another order differ by less."""


def dropouts(encoder: Any) -> set[float]:
    """The dropout probabilities above 0 that the encoder uses in training mode."""
    seen = _SeenDropouts()
    with _as_it_was(encoder), seen:
        encoder.train()
        _states(encoder, [TOKENS, TOKENS], TOKENS)
    return seen.probabilities


def autocasts(encoder: Any) -> bool:
    """Whether the encoder works under autocast; some fill masks with a value that only float32 can represent."""
    place = encoder.get_input_embeddings().weight.device
    with _as_it_was(encoder), torch.autocast(place.type, dtype=torch.bfloat16):
        try:
            return bool(_states(encoder, [PADDED, TOKENS], PADDED).isfinite().all())
        except RuntimeError:
            return False


def order(encoder: Any, modules: Sequence[nn.Module]) -> list[int]:
    """The indices of ``modules`` in the order in which a forward pass calls them."""
    begun: list[int] = []
    with _as_it_was(encoder), contextlib.ExitStack() as stack:
        for number, module in enumerate(modules):
            hook = module.register_forward_pre_hook(lambda *_, number=number: begun.append(number))
            stack.callback(hook.remove)
        _states(encoder, [TOKENS], TOKENS)
    return begun


def problem(encoder: Any) -> str | None:
    """Why the encoder cannot be used for a tagger; None if it can.

    It must compute a state for each token, on which the padding after a shorter row has no influence.
    """
    kind = encoder.config.model_type
    with _as_it_was(encoder):
        try:
            size = encoder.config.hidden_size
            states = _states(encoder, [PADDED, TOKENS], PADDED)
            without_padding = _states(encoder, [TOKENS], TOKENS)
        except Exception as error:  # any kind: architectures that need other inputs raise different errors
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
    """Set the encoder to eval mode, and restore its mode and the random number generators at the end."""
    training, place = encoder.training, encoder.get_input_embeddings().weight.device
    with torch.random.fork_rng([place] if place.type == "cuda" else []):
        encoder.eval()
        try:
            yield
        finally:
            encoder.train(training)


class _SeenDropouts(TorchFunctionMode):
    """Records the probability of every dropout call: in modules, as a function, or inside attention."""

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
