"""``corpus.types``: renames and drops entity types."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from clue_ner.common.errors import CorpusError
from clue_ner.core.entities import Entity


class TypeMap:
    """New names of types by the names in the files; None drops a type."""

    def __init__(self, names: Mapping[str, str | None]) -> None:
        self._names = names
        self.seen: Counter[str] = Counter()
        """numbers of renamed entities by their original type"""
        self.merged = 0
        """entities dropped because, after renaming, another one has the same span and type"""

    def __call__(self, entities: tuple[Entity, ...]) -> tuple[Entity, ...]:
        """The entities with their new types, sorted."""
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
        """Raise CorpusError for a name in the mapping that no entity had as type."""
        if unknown := [name for name in self._names if name not in self.seen]:
            raise CorpusError(
                f"corpus.types: no entity has type {', '.join(unknown)}; there are {', '.join(sorted(self.seen))}. "
                "Fix the spelling, or remove it"
            )

    def counts(self) -> dict[str, Any]:
        """Numbers of dropped and renamed entities by original type, and of entities that became duplicates."""
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
