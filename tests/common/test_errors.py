"""Errors that are raised on purpose: all below one root, and all on the module's own list."""

import inspect

import pytest

from clue_ner.common import errors
from clue_ner.common.errors import ClueNerError, UnknownNameError

CLASSES = [value for _, value in inspect.getmembers(errors, inspect.isclass) if value.__module__ == errors.__name__]


@pytest.mark.parametrize("error", CLASSES)
def test_errors_have_one_root_and_a_line_in_the_list(error: type[Exception]) -> None:
    assert issubclass(error, ClueNerError)
    listed = {line.strip("├└─ ").partition(" ")[0] for line in str(errors.__doc__).splitlines()}
    assert error.__name__ in listed
    assert error.__doc__


def test_errors_of_an_unknown_name_list_those_there_are() -> None:
    error = UnknownNameError("head", "crff", ["softmax", "crf"])
    assert str(error) == "unknown head 'crff': there are crf, softmax"
