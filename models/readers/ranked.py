"""The order of files that name none for pairs: `order`, else `z_order`, else the list's own."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy

from models import scene as scenes
from models.readers import common
from models.readers.common import Draft

ORDER = "order, 1 = front-most"
Z_ORDER = "z_order, highest = front-most"
LIST = "the list's own, first = front-most"


def rank_of(record: Dict[str, Any], name: str) -> Optional[float]:
    """A number that annotation tools keep in the record itself, its attributes or its flags."""
    return common.number(_given(record, name))


def _given(record: Dict[str, Any], name: str) -> Any:
    """What a record holds under this name, a number before anything else; None for nothing.

    Flags that are only set or not are no attempt at a number.
    """
    places = (record, record.get("attributes"), record.get("flags"))
    values = [place.get(name) for place in places if isinstance(place, dict)]
    values = [value for value in values if value is not None and not isinstance(value, bool)]
    return next((value for value in values if common.number(value) is not None), values[0] if values else None)


def note_bad(records: Sequence[Dict[str, Any]], rule: str, draft: Draft) -> None:
    """A remark for each number of the rule that is none; for LIST, one for all that were to be of another rule,
    as they may mean something else.

    The records are those of the draft's objects.
    """
    for name, least, other in (("order", 0, Z_ORDER), ("z_order", None, ORDER)):
        if rule == other:
            continue
        found = Draft()
        common.note_numbers(name, [_given(record, name) for record in records], draft.regions, found, least)
        if rule == LIST and len(found.remarks) > 1:
            found.remarks[:] = [f"{found.remarks[0]}, and {len(found.remarks) - 1} more like it"]
        draft.remarks += found.remarks


def rule_of(records: Sequence[Dict[str, Any]]) -> str:
    """Which rule a file's records are ordered by: one for all of its images."""
    for name, rule in (("order", ORDER), ("z_order", Z_ORDER)):
        if any(rank_of(record, name) is not None for record in records):
            return rule
    return LIST


def ranks_and_front(records: Sequence[Dict[str, Any]], rule: str
                    ) -> Tuple[List[Optional[float]], numpy.ndarray]:
    """Per record its number by `rule` (none for LIST), and (n, n) bool who is in front."""
    if rule == LIST:
        return [None] * len(records), scenes.list_order(len(records))
    ranks = [rank_of(record, "order" if rule == ORDER else "z_order") for record in records]
    if rule == Z_ORDER:
        return ranks, common.front_by_rank(ranks).T
    return ranks, common.front_by_rank(ranks)
