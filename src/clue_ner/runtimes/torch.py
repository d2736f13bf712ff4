"""The network itself, in torch."""

import contextlib
from math import inf
from pathlib import Path

import torch

from clue_ner.alignment.batch import Batch
from clue_ner.alignment.windows import INPUTS
from clue_ner.common.errors import ArtifactError, DeviceError
from clue_ner.core.device import AUTO
from clue_ner.network import device as devices
from clue_ner.network import trial
from clue_ner.network.config_checks import read_config, refuse_sizes
from clue_ner.network.encoder import new_encoder
from clue_ner.network.model import TaggerModel
from clue_ner.tagger.config import FILE, TaggerConfig
from clue_ner.tagger.decoding._base import Floats
from clue_ner.tagger.memory import Limit, is_full
from clue_ner.tagger.model_files import WEIGHTS
from clue_ner.tagger.tagger import TOKENS, Tagger

FILES = ("config.json", WEIGHTS)
"""The files that ``load`` reads in the model's folder."""
STATES = 40
"""Numbers per token and hidden unit that a forward pass of an encoder like BERT holds at once, with a margin."""
OTHER_TOKENS = 2**14
"""Tokens of a batch on a device whose free memory torch does not tell."""


class TorchRuntime:
    """Computes logits with ``model`` on its device; the model is set to eval mode.

    With a ``dtype`` matrix products have this format, under autocast.
    """

    batch_padding = inf
    """A call of the network costs torch more than the padding of a batch."""

    def __init__(self, model: TaggerModel, dtype: torch.dtype | None = None) -> None:
        self.model, self.dtype = model.eval(), dtype
        self._limit = Limit(self._tokens_that_fit())

    @property
    def device(self) -> str:
        """The device of the model's weights."""
        return str(self._device())

    @property
    def device_name(self) -> str:
        """The device for a record: a card with its name."""
        return devices.described(self._device())

    @property
    def batch_tokens(self) -> float:
        """On a CPU so few that the states stay in its cache; with CUDA what fits half of the free memory."""
        return TOKENS if self._device().type == "cpu" else self._limit.tokens

    def __call__(self, batch: Batch) -> Floats:
        """The head's logits. A batch that does not fit the device's memory is computed in halves.

        Raises DeviceError if a single row does not fit, or the GPU fails.
        """
        return self._limit.compute(batch, self.device, self._logits)

    def _logits(self, batch: Batch) -> Floats | None:
        device = self._device()
        reduced = contextlib.nullcontext() if self.dtype is None else torch.autocast(device.type, dtype=self.dtype)
        try:
            with torch.inference_mode(), reduced:
                logits = self.model(*(torch.from_numpy(batch[name]).to(device) for name in INPUTS))
                found: Floats = logits.float().cpu().numpy()
                return found
        except RuntimeError as error:
            if is_full(error):
                return None
            if device.type == "cpu":
                raise
            raise _failed(device, error) from None

    def _device(self) -> torch.device:
        return next(self.model.parameters()).device

    def _tokens_that_fit(self) -> float:
        if self._device().type != "cuda":
            return OTHER_TOKENS
        device = self._device()
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # by torch, for later tensors
        free: int = torch.cuda.mem_get_info(device)[0] + kept
        size: int = self.model.encoder.config.hidden_size
        return free / 2 / (4 * STATES * size)


def load(folder: Path, config: TaggerConfig, threads: int | None, device: str = AUTO) -> TorchRuntime:
    """The runtime of the model in ``folder``; ``threads`` is for the whole process.

    ``auto`` is CUDA, else mps, else the CPU. On a GPU matrix products are bf16 or, on older cards, fp16, if the
    encoder works under autocast; on mps and the CPU they are float32. Raises DeviceError if the device is not here, is
    full or fails, and the errors of ``load_model``.
    """
    place = devices.find(device)
    if threads is not None:
        torch.set_num_threads(threads)
    model = load_model(folder, config)
    try:
        return _on(place, model)
    except RuntimeError as error:
        if place.type == "cpu":
            raise
        raise _failed(place, error) from None


def _on(place: torch.device, model: TaggerModel) -> TorchRuntime:
    devices.prepare(place)
    model.to(place)
    if place.type != "cuda" or not trial.autocasts(model.encoder):
        return TorchRuntime(model)
    is_ampere = torch.cuda.get_device_capability(place) >= (8, 0)  # the first with native bf16
    return TorchRuntime(model, torch.bfloat16 if is_ampere else torch.float16)


def _failed(device: torch.device, error: RuntimeError) -> DeviceError:
    reason = str(error).partition("\n")[0]
    return DeviceError(
        f"device {device}: torch cannot compute on it ({reason}); end other processes that use it, name another "
        "device, or take device cpu"
    )


def supports(device: str) -> bool:
    """Whether this runtime can compute on ``device``, which may not be here."""
    return True


def load_model(folder: Path, config: TaggerConfig) -> TaggerModel:
    """The network in ``folder``, whose checksums are verified already; raises ArtifactError if it cannot be built."""
    from safetensors.torch import load_file

    weights = folder / WEIGHTS
    try:
        read_config(folder / "tokenizer_config.json")
        encoder_config = read_config(folder / "config.json")
        refuse_sizes(encoder_config, [weights], lambda: TaggerModel(new_encoder(folder), config))
    except Exception as error:  # any kind: transformers and the heads raise different errors for invalid models
        raise ArtifactError(f"{folder}: the model cannot be built ({error}); fetch it again, or train one") from None
    model = TaggerModel(new_encoder(folder), config)
    try:
        model.load_state_dict(load_file(weights))
    except RuntimeError as error:
        raise ArtifactError(f"{weights}: not the weights that {FILE} describes ({error}); train it again") from None
    return model


def model_of(tagger: Tagger) -> TaggerModel:
    """The network of a tagger that was loaded with this runtime."""
    assert isinstance(tagger.runtime, TorchRuntime)
    return tagger.runtime.model
