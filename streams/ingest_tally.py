"""The table that adds up: where every record that was read has gone."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from cases import IntegrityError
from streams.outcome import Accepted, DeadLettered, Ignored, Outcome

__all__ = ["IngestTally", "changes", "skipped_changes"]

_IGNORED = "ignored."
_DEAD = "dead."
_PLAIN = ("read", "cases", "superseded")


class IngestTally(msgspec.Struct, kw_only=True):
    """Records by what became of them; ``read = cases + superseded + ignored + dead letters`` at any time.

    Parameters
    ----------
    read
        Everything a source gave, also what only served other records.
    cases
        Live cases: the newest version of each that was not nullified.
    superseded
        Versions that are not, or no longer, the newest: redelivered, out of date, replaced or taken back.
    ignored, dead_letters
        By reason code.
    """

    read: int = 0
    cases: int = 0
    superseded: int = 0
    ignored: dict[str, int] = {}
    dead_letters: dict[str, int] = {}

    @classmethod
    def of(cls, counters: Mapping[str, int]) -> IngestTally:
        """The tally in a store's counters."""
        tally = cls()
        tally.add({name: counters[name] for name in sorted(counters)})
        return tally

    def add(self, counters: Mapping[str, int]) -> None:
        """Add counters as `changes` gives them; other names are not the tally's and are passed over."""
        for name, number in counters.items():
            if name.startswith(_IGNORED):
                reason = name.removeprefix(_IGNORED)
                self.ignored[reason] = self.ignored.get(reason, 0) + number
            elif name.startswith(_DEAD):
                reason = name.removeprefix(_DEAD)
                self.dead_letters[reason] = self.dead_letters.get(reason, 0) + number
            elif name in _PLAIN:
                setattr(self, name, getattr(self, name) + number)

    @property
    def ignored_count(self) -> int:
        """All ignored records."""
        return sum(self.ignored.values())

    @property
    def dead_letter_count(self) -> int:
        """All dead letters."""
        return sum(self.dead_letters.values())

    def check(self) -> None:
        """Raise `IntegrityError` if a record is unaccounted for."""
        accounted = self.cases + self.superseded + self.ignored_count + self.dead_letter_count
        if self.read != accounted:
            raise IntegrityError(f"{self.read} records were read, {accounted} are accounted for")


def changes(outcome: Outcome) -> dict[str, int]:
    """What one outcome adds to the counters, by counter name."""
    if isinstance(outcome, Accepted):
        return {"read": 1, "superseded": 1} if outcome.replaces else {"read": 1, "cases": 1}
    if isinstance(outcome, Ignored):
        taken_back = {"cases": -1, "superseded": 1} if outcome.replaces else {}
        return {"read": 1, _IGNORED + outcome.reason: 1, **taken_back}
    if isinstance(outcome, DeadLettered):
        return {"read": 1, _DEAD + outcome.letter.reason: 1}
    return {"read": 1, "superseded": 1}


def skipped_changes(skipped: Mapping[str, int]) -> dict[str, int]:
    """What a source's passed-over things add to the counters."""
    return {"read": sum(skipped.values()), **{_IGNORED + reason: number for reason, number in skipped.items()}}
