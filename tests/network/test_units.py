"""Units of characters over pieces: the BiLSTM is torch's own, and each part of a character's state counts."""

import pytest
import torch

from clue_ner.alignment.windows import MAX_PLACE
from clue_ner.network.units import BiLSTM, CharacterContext


def test_units_bilstm_equals_torch_s_own() -> None:
    torch.manual_seed(0)
    own, reference = BiLSTM(8, 5), torch.nn.LSTM(8, 5, batch_first=True, bidirectional=True)
    for name, parameter in own.forwards.named_parameters():
        reference.get_parameter(name).data.copy_(parameter)
    for name, parameter in own.backwards.named_parameters():
        reference.get_parameter(f"{name}_reverse").data.copy_(parameter)
    lengths = torch.tensor([7, 1, 4])
    units, mask = torch.randn(3, 7, 8), torch.arange(7) < lengths[:, None]
    packed = torch.nn.utils.rnn.pack_padded_sequence(units, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = torch.nn.utils.rnn.pad_packed_sequence(reference(packed)[0], batch_first=True)
    torch.testing.assert_close(own(units, mask)[mask], own.project(expected)[mask])


@pytest.mark.parametrize("context_size", [0, 4])
@pytest.mark.parametrize("embedded", [6, 8])
def test_units_are_the_sum_of_state_character_place_and_length(context_size: int, embedded: int) -> None:
    torch.manual_seed(0)
    context = CharacterContext(8, embedded, context_size, 0.0)
    states, characters = torch.randn(1, 3, 8), torch.randn(1, 3, embedded)
    places, lengths, mask = torch.tensor([[0, 1, MAX_PLACE]]), torch.tensor([[1, 1, MAX_PLACE]]), torch.ones(1, 3) > 0
    wide = characters @ context.widen.weight.T + context.widen.bias if embedded == 6 else characters
    summed = states + wide + context.places.weight[places] + context.lengths.weight[lengths]
    normed = (summed - summed.mean(-1, keepdim=True)) / (summed.var(-1, keepdim=True, correction=0) + 1e-5).sqrt()
    expected = normed if context.context is None else normed + context.context(normed, mask)
    torch.testing.assert_close(context(states, characters, places, lengths, mask), expected)
