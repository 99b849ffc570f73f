"""Makes the scenes of a run ahead of the trainer, in other processes, in the run's own order."""

import multiprocessing
import os
import queue
import signal
import traceback
from typing import Callable, List, Optional

from models.config import Config
from models.proposals import make_anchors
from models.targets import Sample, make_sample
from models.training.batches import anchor_random
from models.training.memory import keep_freed_memory

AHEAD = 48  # samples that a process keeps ready
WAIT = 5.0  # seconds between looks at whether the other side still lives
NICENESS = 2  # scenes are wanted ahead, never at the cost of the step that runs

SceneSource = Callable[[int], "Scene"]  # noqa: F821 - the number of a scene -> the scene


class LoaderError(RuntimeError):
    """A scene that could not be made; the text is the whole message."""


class SampleMaker:
    """Number of a scene -> Sample; a pure function of (seed, number) if the source is one.

    `make_source` builds the source in the process that uses it: maps and open files do not travel.
    """

    def __init__(self, make_source: Callable[[], SceneSource], config: Config, seed: int):
        self.source, self.config, self.seed = make_source(), config, seed
        self.anchors = make_anchors(config).numpy()

    def __call__(self, number: int) -> Sample:
        return make_sample(self.source(number), self.config, self.anchors, anchor_random(self.seed, number))


def _is_known(error: Exception) -> bool:
    """Whether its text says all that a user needs."""
    return type(error).__module__.startswith("models.") or isinstance(error, OSError)


def _work(make_source, config: Config, seed: int, first: int, stride: int, end: int, ready, parent: int):
    """Body of a process: samples first, first + stride, ... before end, put into `ready` in order."""
    import torch
    torch.set_num_threads(1)
    os.nice(NICENESS)
    keep_freed_memory()
    # A signal to the whole group is the trainer's to answer: it may still need scenes for its last step.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    try:
        maker = SampleMaker(make_source, config, seed)
        for number in range(first, end, stride):
            entry = (number, maker(number))
            while True:
                try:
                    ready.put(entry, timeout=WAIT)
                    break
                except queue.Full:
                    if os.getppid() != parent:  # the trainer is gone without a word
                        ready.cancel_join_thread()
                        return
    except Exception as error:  # whatever it is, the trainer has to say it
        ready.put((None, str(error) if _is_known(error) else traceback.format_exc()))


class Loader:
    """Samples begin .. end-1 in order; with workers = 0 made in this process."""

    def __init__(self, make_source: Callable[[], SceneSource], config: Config, seed: int, begin: int,
                 end: int, workers: int = 1):
        self.next = begin
        self.maker: Optional[SampleMaker] = None
        self.processes: List[multiprocessing.Process] = []
        if workers == 0:
            self.maker = SampleMaker(make_source, config, seed)
            return
        # Not forked: PyTorch's threads do not survive that.
        context = multiprocessing.get_context("spawn")
        self.begin, self.queues = begin, [context.Queue(AHEAD) for _ in range(workers)]
        for k, ready in enumerate(self.queues):
            process = context.Process(target=_work, daemon=True, args=(
                make_source, config, seed, begin + k, workers, end, ready, os.getpid()))
            process.start()
            self.processes.append(process)

    def take(self, count: int) -> List[Sample]:
        """The next `count` samples. Raises LoaderError if one cannot be made."""
        return [self._take() for _ in range(count)]

    def _take(self) -> Sample:
        number = self.next
        self.next += 1
        if self.maker is not None:
            try:
                return self.maker(number)
            except Exception as error:
                raise LoaderError(str(error) if _is_known(error) else traceback.format_exc()) from error
        k = (number - self.begin) % len(self.queues)
        while True:
            try:
                found, sample = self.queues[k].get(timeout=WAIT)
                break
            except queue.Empty:
                if not self.processes[k].is_alive():
                    raise LoaderError(f"scene {number}: expected it from the loading process, found it ended "
                                      f"with exit code {self.processes[k].exitcode}") from None
        if found is None:
            raise LoaderError(sample)
        assert found == number, "samples come in their order"
        return sample

    def close(self) -> None:
        """Ends the processes."""
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.join()
        self.processes = []
