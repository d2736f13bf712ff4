"""``corpus.types``: entity types that are called otherwise or left out."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from clue_ner.common.errors import CorpusError
from clue_ner.core.entities import Entity


class TypeMap:
    """Types by the names that a file has; None leaves entities of a type out."""

    def __init__(self, names: Mapping[str, str | None]) -> None:
        self._names = names
        self.seen: Counter[str] = Counter()
        """entities by the type that they had, if any is called otherwise"""
        self.merged = 0
        """entities left out because another of the same span now has the same type"""

    def __call__(self, entities: tuple[Entity, ...]) -> tuple[Entity, ...]:
        """The entities with the types that they are to have, in order."""
        if not self._names:
            return entities
        for entity in entities:
            self.seen[entity.type] += 1
        found: dict[Entity, Entity] = {}
        for entity in entities:
            if (name := self._names.get(entity.type, entity.type)) is not None:
                one = Entity(entity.start, entity.end, name, entity.score)
                self.merged += one in found
                found.setdefault(one, one)
        return tuple(sorted(found))

    def refuse_unknown(self) -> None:
        """Raise CorpusError for a name that no entity had as its type."""
        if unknown := [name for name in self._names if name not in self.seen]:
            raise CorpusError(
                f"corpus.types: no entity has type {', '.join(unknown)}; there are {', '.join(sorted(self.seen))}. "
                "Fix the spelling, or remove it"
            )

    def counts(self) -> dict[str, Any]:
        """How many entities were left out and renamed, by the type that they had, and how many became one another's."""
        changed = {name: count for name, count in sorted(self.seen.items()) if name in self._names}
        return {
            "dropped": {name: count for name, count in changed.items() if self._names[name] is None},
            "renamed": {
                f"{name} -> {self._names[name]}": count
                for name, count in changed.items()
                if self._names[name] not in (None, name)
            },
            "merged": self.merged,
        }
