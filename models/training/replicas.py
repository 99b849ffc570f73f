"""A step's work shared out among copies of the network, each on a thread of its own.

Layers as small as these gain little from threads within them. Shares of the batch need not wait for
one another until the gradients meet.
"""

import concurrent.futures
import copy
import threading
from typing import Any, Callable, List

import torch
from torch import nn

from models.training.memory import share_freed_memory


class Replicas:
    """A network and `count - 1` copies of it that share its parameters.

    Gradients and BN statistics are each replica's own until merge() brings them together. The network
    may not be moved to another device or layout any more.
    """

    def __init__(self, network: nn.Module, count: int):
        self.networks: List[nn.Module] = [network]
        for _ in range(count - 1):
            twin = copy.deepcopy(network)
            for mine, theirs in zip(twin.parameters(), network.parameters()):
                mine.data = theirs.data
            self.networks.append(twin)
        self.threads = None
        if count > 1:
            share_freed_memory()
            each = max(1, torch.get_num_threads() // count)
            self.threads = concurrent.futures.ThreadPoolExecutor(
                count, "replica", initializer=torch.set_num_threads, initargs=(each,))
            # PyTorch's number of threads is a thread's own only once it is set there: all are begun here.
            met = threading.Barrier(count)
            for begun in [self.threads.submit(met.wait) for _ in range(count)]:
                begun.result()

    def run(self, work: Callable[[nn.Module, int], Any]) -> List[Any]:
        """work(network, k) of every replica k, side by side; raises the first one's error if any fails."""
        if self.threads is None:
            return [work(self.networks[0], 0)]
        begun = [self.threads.submit(work, network, k) for k, network in enumerate(self.networks)]
        concurrent.futures.wait(begun)
        return [share.result() for share in begun]

    @torch.no_grad()
    def merge(self) -> None:
        """Adds the copies' gradients to the network's and gives all of them the mean statistics.

        Copy after copy, so that the sum does not depend on who was done first.
        """
        network, copies = self.networks[0], self.networks[1:]
        for own, *others in zip(*(n.parameters() for n in self.networks)):
            for other in others:
                if other.grad is not None:
                    own.grad = other.grad if own.grad is None else own.grad.add_(other.grad)
                    other.grad = None
        for module, *others in zip(*(n.modules() for n in self.networks)):
            if not (copies and isinstance(module, nn.BatchNorm2d) and module.training):
                continue
            for name in ("running_mean", "running_var"):
                mean = torch.stack([getattr(m, name) for m in (module, *others)]).mean(0)
                for m in (module, *others):
                    getattr(m, name).copy_(mean)

    @torch.no_grad()
    def spread_statistics(self) -> None:
        """Gives the copies the network's BN statistics, after those were read from a file."""
        for twin in self.networks[1:]:
            for mine, theirs in zip(twin.buffers(), self.networks[0].buffers()):
                mine.copy_(theirs)
