"""Where the scenes of a run come from. A source is made in each process that uses it, so what travels
between processes is only this: a few names and numbers."""

import dataclasses
from typing import Callable, List, Optional

from models.scene import Scene

VALIDATION_SEED = 1  # of composed validation scenes, whatever the run's seed: runs stay comparable


@dataclasses.dataclass(frozen=True)
class ComposedSource:
    """Scenes composed of the cut-outs of a store, of drawn shapes if `store` is None."""

    store: Optional[str]
    side: int
    split: str
    seed: int

    def __call__(self) -> Callable[[int], Scene]:
        from models.data.compose import SceneMaker
        from models.data.store import CutoutStore
        return SceneMaker(None if self.store is None else CutoutStore(self.store), side=self.side,
                          split=self.split, seed=self.seed).scene


def validation_scenes(store: Optional[str], side: int, count: int) -> List[Scene]:
    """The first `count` scenes of the split "val"."""
    make = ComposedSource(store, side, "val", VALIDATION_SEED)()
    return [make(number) for number in range(count)]
