"""The one way up from the estate: what people decide here goes into the record."""

from collections.abc import Mapping

from wellkept.estate.access import Who, actor
from wellkept.estate.models import Organisation, System
from wellkept.lib.text import Message


def note(
    organisation: Organisation, kind: str, summary: Message, *, who: Who, system: System | None = None, data: Mapping[str, object] | None = None
) -> None:
    """Append an entry to the organisation's record, in the transaction of the caller."""
    from wellkept.operations import records

    records.append(organisation, kind, summary, actor=actor(who), system=system, data=data)
