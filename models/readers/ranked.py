"""The order of files that name none for pairs: `order`, else `z_order`, else the list's own."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy

from models import scene as scenes
from models.readers import common

ORDER = "order, 1 = front-most"
Z_ORDER = "z_order, highest = front-most"
LIST = "the list's own, first = front-most"


def rank_of(record: Dict[str, Any], name: str) -> Optional[float]:
    """A number that annotation tools keep in the record itself, its attributes or its flags."""
    for place in (record, record.get("attributes"), record.get("flags")):
        found = common.number(place.get(name)) if isinstance(place, dict) else None
        if found is not None:
            return found
    return None


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
