"""Memory that a training gives back between two steps only to ask for it again."""

import ctypes

# Parameters of mallopt(3), as glibc's malloc.h numbers them.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_LARGEST = 2 ** 31 - 1
_KEPT = (2 ** 30, 2 ** 25)  # bytes of the largest blocks that are kept: what glibc takes from 2.35 on, and before


def keep_freed_memory() -> int:
    """From now on what this process frees stays with it for its next blocks of that size.

    Returns the bytes of the largest blocks for which that holds, 0 where it could not be had.

    By default glibc's malloc hands large blocks back at once, and the kernel clears each of their pages
    anew at every step: a tenth of a small network's step on a CPU. Another C library is left as it is.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    for size in _KEPT if mallopt is not None else ():
        # The one without the other would be worse than neither: it ends malloc's own learning of sizes.
        if mallopt(_MMAP_THRESHOLD, size) == 1:
            mallopt(_TRIM_THRESHOLD, _LARGEST)
            return size
    return 0


def share_freed_memory() -> None:
    """From now on threads begun later take and give back memory in one place, where keep_freed_memory holds.

    Places of their own (malloc's arenas) cannot hold blocks of over 32 MiB: those would go back at once.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_ARENA_MAX, 1)
