"""Reading PyTorch files that anybody may have made."""

import pickle
from typing import Any, Dict

import torch


class TorchFileError(ValueError):
    """A file that is no dictionary of tensors; the text names it, what was expected and found."""


def not_finite(tensors: Dict[str, torch.Tensor]) -> str:
    """The name of the first tensor that holds inf or nan, "" for none."""
    return next((name for name, tensor in tensors.items()
                 if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all())), "")


def read(path: str) -> Dict[str, Any]:
    """The dictionary of tensors and plain values in a file, on the CPU; no code in it is run."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise TorchFileError(f"{path}: expected a PyTorch file, found: {error.strerror or error}") from error
    except pickle.UnpicklingError as error:
        # PyTorch's own text advises to load it with all the code that may be in it.
        raise TorchFileError(f"{path}: expected a PyTorch file, found none, or one with more than tensors and "
                             f"plain values in it") from error
    except Exception as error:  # damaged, it can fail with anything
        reason = (str(error).splitlines() or [""])[0][:200] or type(error).__name__
        raise TorchFileError(f"{path}: expected a PyTorch file, found: {reason}") from error
    if not isinstance(content, dict):
        raise TorchFileError(f"{path}: expected a dictionary of tensors, found {type(content).__name__}")
    return content
