"""What a part of `serving_load` found, and what should hold of it."""

import dataclasses
from collections.abc import Sequence

from benchmarks import report


@dataclasses.dataclass(frozen=True)
class Claim:
    """What should hold, and what was found.

    Args:
        wanted: What should hold.
        found: What was measured.
        holds: Whether it does.
    """

    wanted: str
    found: str
    holds: bool


@dataclasses.dataclass(frozen=True)
class Part:
    """One part of the report.

    Args:
        title: Of the part.
        how: What was done.
        claims: What should hold, and whether it does.
        tables: In Markdown.
    """

    title: str
    how: str
    claims: Sequence[Claim]
    tables: Sequence[str] = ()

    def text(self) -> str:
        """Returns the part in Markdown."""
        rows = [
            [claim.wanted, claim.found, "yes" if claim.holds else "**no**"]
            for claim in self.claims
        ]
        claims = report.table(["what should hold", "found", "holds"], rows)
        return "\n\n".join([f"## {self.title}", self.how, *self.tables, claims])
