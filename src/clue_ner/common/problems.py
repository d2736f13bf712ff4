"""All that is wrong in files, in one message."""

from collections.abc import Iterable

from clue_ner.common.errors import CorpusError

SHOWN = 20
"""Problems of a corpus that are listed; of more, the number is given."""


class Problems:
    """What is wrong in files: the first ``SHOWN`` texts are kept, the others counted, so that memory has an end."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self.shown: list[str] = []
        self.count = 0
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Note one more."""
        self.count += 1
        if len(self.shown) < SHOWN:
            self.shown.append(text)

    def join(self, others: "Problems") -> None:
        """Note all that ``others`` have."""
        self.shown = [*self.shown, *others.shown][:SHOWN]
        self.count += others.count

    def refuse(self, advice: str) -> None:
        """Raise CorpusError with the first problems and the number of the others, if there are any."""
        if not self.count:
            return
        more = [f"and {self.count - SHOWN} more"] if self.count > SHOWN else []
        raise CorpusError("\n  ".join([f"{self.count} wrong", *self.shown, *more]) + f"\n{advice}")


def refuse(problems: Iterable[str], advice: str) -> None:
    """Raise CorpusError with the first of ``problems`` and the number of the others, if there are any."""
    Problems(problems).refuse(advice)
