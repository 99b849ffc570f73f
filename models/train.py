"""Trains a network: python3 -m models.train --config NAME --out DIR [--store STORE]

Writes DIR/checkpoint.pt (everything a run goes on from), DIR/weights.pt (the averaged weights, for
models.export --weights), DIR/log.jsonl and DIR/curves.png. SIGTERM ends a run after its step with a
checkpoint; --resume goes on exactly as if it had not been interrupted.
"""

import os

# Threads that wait for one another sleep instead of spinning: on a machine with other work to do a
# spinning thread keeps the one it waits for from running. Read once, when PyTorch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse  # noqa: E402
import dataclasses  # noqa: E402
import json  # noqa: E402
import math  # noqa: E402
import sys  # noqa: E402
from typing import Any, Dict, List, Optional  # noqa: E402

import torch  # noqa: E402

from models import config as configs  # noqa: E402
from models.readers import FORMATS  # noqa: E402
from models.readers.common import one_line  # noqa: E402
from models.readers.options import notes  # noqa: E402
from models.training import checkpoint  # noqa: E402
from models.training.loader import LoaderError  # noqa: E402
from models.training.memory import keep_freed_memory  # noqa: E402
from models.training.optimiser import ENCODER_SHARE, RECIPES  # noqa: E402
from models.training.sources import AnnotatedSource, ComposedSource  # noqa: E402
from models.training.trainer import (Options, Pace, Run, Trainer, TrainingError,  # noqa: E402
                                     initialise_weights)


def build_network(config: configs.Config) -> torch.nn.Module:
    """The network that config.network names."""
    from models import network
    return network.make_network(config)


def named_config(arguments: argparse.Namespace) -> configs.Config:
    """The config that the command line asks for."""
    return configs.named(arguments.config, arguments.side)


def add_recipe_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that a run's result depends on; unset ones are None, so that a resumed run keeps its own."""
    group = parser.add_argument_group(
        "recipe", "kept in the checkpoint: a resumed run has those it began with")
    group.add_argument("--images", type=int, metavar="N", help="images in all (default: %d)" % Options.images)
    group.add_argument("--batch", type=int, metavar="N", help="images per step (default: %d)" % Options.batch)
    group.add_argument("--replicas", type=int, metavar="N", help="copies of the network that share a batch out on "
                       "the CPU, each with BN statistics of its share (default: %d)" % Options.replicas)
    group.add_argument("--seed", type=int, metavar="N", help="of scenes, sampling, new weights (default: 0)")
    group.add_argument("--recipe", choices=sorted(RECIPES), help="paper: the staged one (default: default)")
    group.add_argument("--rate", type=float, metavar="R", help="learning rate (default: the recipe's)")
    group.add_argument("--decay", type=float, metavar="D", help="weight decay (default: the recipe's)")
    group.add_argument("--rois", type=int, metavar="N", help="RoIs per image (default: %d)" % Options.rois)
    for name, what in (("r", "proposals"), ("g", "global layers"), ("i", "instance layers"),
                       ("m", "refined layers")):
        group.add_argument(f"--lambda-{name}", type=float, metavar="W", help=f"weight of the loss of {what} "
                           "(default: 1)")
    group.add_argument("--shared-weight", type=float, metavar="W", help="weight of visible cells that another object lies in too; "
                       "a hidden one's is 4, other visible ones' 1 (default: 4)")
    group.add_argument("--binary-global", action="store_true", default=None,
                       help="binary cross entropy for the global layers, as the paper says")
    group.add_argument("--average", type=float, metavar="D",
                       help="decay of the averaged weights (default: %g)" % Options.average)
    group.add_argument("--warmup", type=int, metavar="STEPS", help="(default: %d)" % Options.warmup)
    group.add_argument("--clip", type=float, metavar="NORM",
                       help="of the gradient (default: %g)" % Options.clip)
    group.add_argument("--encoder-share", type=float, metavar="X", help="the encoder's rate over that of "
                       f"the rest (default: {ENCODER_SHARE} with --pretrained or --init, else 1)")
    group.add_argument("--frozen-stages", type=int, metavar="N", help="keep the encoder's stem and first N "
                       "stages as they begin (default: 0, not even the stem)")
    group.add_argument("--precision", choices=("fp32", "bf16", "fp16"),
                       help="default: bf16 where the machine has it, fp16 on other GPUs, else fp32")


def parse_arguments(arguments: Optional[List[str]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m models.train", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, choices=sorted(configs.CONFIGS))
    parser.add_argument("--side", type=int, metavar="PX", help="the canvas' side (default: the config's)")
    parser.add_argument("--out", required=True, metavar="DIR", help="the run's folder, not among sources")
    scenes = parser.add_mutually_exclusive_group()
    scenes.add_argument("--store", metavar="STORE", help="cut-outs to compose scenes of (default: shapes)")
    scenes.add_argument("--annotations", metavar="FILE", help="annotated images instead, of any format that "
                        "models.readers knows")
    parser.add_argument("--images-dir", metavar="DIR", help="where their images are (default: beside FILE)")
    parser.add_argument("--from", dest="format", choices=("auto",) + FORMATS, help="their format, of both files (default: found by content)")
    parser.add_argument("--author", metavar="NAME", help="whose annotations of a COCOA file to take (default: each image's first)")
    parser.add_argument("--published-decoder", action="store_true", default=None,
                        help="read layer-coded files with the published decoder's faults")
    parser.add_argument("--val-annotations", metavar="FILE", help="annotated images to validate on")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--init", metavar="FILE", help="start from the weights of a checkpoint, a weight file, an ONNX file that kept "
                       "its batch normalisation, or a folder with one of them")
    start.add_argument("--pretrained", metavar="FILE", nargs="?", const="",
                       help="pretrained encoder weights; without a FILE the installed package's")
    parser.add_argument("--continue-schedule", action="store_true",
                        help="with --init: begin after as many of --images as the file's weights have seen, "
                        "for a run whose checkpoint is lost")
    parser.add_argument("--resume", action="store_true",
                        help="go on from DIR/checkpoint.pt; begin if there is none")
    parser.add_argument("--stop-at", type=int, default=0, metavar="N",
                        help="end this part after N images in all")
    parser.add_argument("--validate-every", type=int, default=Pace.validate_every, metavar="N",
                        help="images between validations (default: %(default)s; 0: at the end)")
    parser.add_argument("--validation-scenes", type=int, default=100, metavar="N",
                        help="(default: %(default)s)")
    parser.add_argument("--checkpoint-minutes", type=float, default=Pace.checkpoint_minutes, metavar="M",
                        help="(default: %(default)s)")
    parser.add_argument("--log-every", type=int, default=Pace.log_every, metavar="STEPS",
                        help="(default: %(default)s)")
    parser.add_argument("--workers", type=int, default=1, metavar="N",
                        help="processes that compose scenes (default: 1; 0: none)")
    parser.add_argument("--threads", type=int, metavar="T", help="PyTorch's threads")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu",
                        help="default here: %(default)s")
    add_recipe_arguments(parser)
    return parser.parse_args(arguments)


def has_cpu_bf16_gradients() -> bool:
    """Whether PyTorch can train in bf16 on the CPU: 1.13 lacks some operators for it."""
    return int(torch.__version__.split(".")[0]) >= 2


def default_precision(device: torch.device) -> str:
    """The fastest one: bf16 only where the processor computes it itself, since emulated it is slower."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return "bf16" if has_cpu_bf16_gradients() and supported is not None and supported() else "fp32"


def check_options(options: Options, device: torch.device) -> None:
    """Raises TrainingError for a value with which no run is possible."""
    if options.precision == "fp16" and device.type == "cpu":
        raise TrainingError("--precision: expected fp32 or bf16 on the CPU, found fp16")
    if options.precision == "bf16" and device.type == "cpu" and not has_cpu_bf16_gradients():
        raise TrainingError(f"--precision bf16: expected PyTorch 2 or later, found {torch.__version__}")
    if options.decay != Options.decay and not 0 <= options.decay < math.inf:
        raise TrainingError(f"--decay: expected at least 0, found {options.decay}")
    if options.seed >= 2 ** 63:
        raise TrainingError(f"--seed: expected a number below 2^63, found {options.seed}")
    for name in ("images", "batch", "replicas", "rois", "warmup"):
        if getattr(options, name) < 1:
            raise TrainingError(f"--{name}: expected at least 1, found {getattr(options, name)}")
    if options.replicas > 1 and device.type != "cpu":
        raise TrainingError(f"--replicas: expected 1 on a GPU, found {options.replicas}")
    if options.batch % options.replicas:
        raise TrainingError(f"--replicas: expected a divisor of --batch {options.batch}, found {options.replicas}")
    for name in ("seed", "rate", "encoder_share", "lambda_r", "lambda_g", "lambda_i", "lambda_m", "shared_weight"):
        value = getattr(options, name)
        if not 0 <= value < math.inf:
            raise TrainingError(f"--{name.replace('_', '-')}: expected at least 0, found {value}")
    if not 0 < options.clip < math.inf:
        raise TrainingError(f"--clip: expected a norm above 0, found {options.clip}")
    if not 0 <= options.average < 1:
        raise TrainingError(f"--average: expected a decay of at least 0 and below 1, found {options.average}")


def seen_images(init: Optional[str], options: Options) -> int:
    """How many of these options' images the weights of a file have seen, as the file says."""
    if init is None:
        raise TrainingError("--continue-schedule: expected --init beside it, found none")
    path = checkpoint.find_weights(init)
    images = checkpoint.read(path).get("images") if path.endswith(".pt") else None
    if not isinstance(images, int) or not 0 <= images < options.images:
        raise TrainingError(f"{path}: images: expected a number below --images ({options.images}), as "
                            f"--continue-schedule asks, found {images}")
    return images


def make_options(arguments: argparse.Namespace, stored: Optional[Dict[str, Any]],
                 device: torch.device, scenes: str) -> Options:
    """The run's options: stored ones on a resume, from which the command line may not differ. scenes: a source's
    identity()."""
    given = {field.name: getattr(arguments, field.name) for field in dataclasses.fields(Options)
             if getattr(arguments, field.name, None) is not None}
    given["scenes"] = scenes
    if stored is not None:
        known, where = dataclasses.asdict(Options()), os.path.join(arguments.out, "checkpoint.pt: options")
        merged = {**known, **{name: value for name, value in stored.items() if name in known}}
        for name, value in known.items():
            if type(merged[name]) not in ((int, float) if isinstance(value, float) else (type(value),)):
                raise TrainingError(f"{where}: {name}: expected {type(value).__name__}, found {merged[name]!r}")
        if merged["recipe"] not in RECIPES:
            raise TrainingError(f"{where}: recipe: expected one of {sorted(RECIPES)}, found {merged['recipe']!r}")
        for name, value in given.items():
            if merged[name] != value:
                origin = arguments.annotations or arguments.store or "drawn shapes"
                what = f"scenes of {origin}" if name == "scenes" else f"--{name.replace('_', '-')}"
                raise TrainingError(f"{what}: expected {merged[name]}, with which the "
                                    f"run to resume began, found {value}")
        options = Options(**merged)
    else:
        started = arguments.pretrained is not None or arguments.init is not None
        given.setdefault("encoder_share", ENCODER_SHARE if started else 1.0)
        given["fixed_statistics"] = started
        given.setdefault("precision", default_precision(device))
        options = Options(**given)
        if arguments.continue_schedule:
            options.begun = seen_images(arguments.init, options) // options.batch
            print(f"going on after {options.begun * options.batch} images", flush=True)
    check_options(options, device)
    stages = configs.ENCODERS[named_config(arguments).encoder]
    if not 0 <= options.frozen_stages <= stages:
        raise TrainingError(f"--frozen-stages: expected 0 to {stages}, found {options.frozen_stages}")
    return options


def check_config(path: str, config: configs.Config, stored: Dict[str, Any]) -> None:
    """Raises TrainingError for a field that differs; fields that a stored config lacks are newer than it."""
    wanted = json.loads(config.to_json())
    for name in sorted(stored):
        if stored[name] != wanted.get(name):
            raise TrainingError(f"{path}: config: {name}: expected {wanted.get(name)!r}, "
                                f"found {stored[name]!r}")


def make_trainer(arguments: argparse.Namespace, device: torch.device, scenes: str) -> Trainer:
    """A new trainer, or the one that DIR/checkpoint.pt goes on with. scenes: a source's identity()."""
    path = os.path.join(arguments.out, "checkpoint.pt")
    config, content = named_config(arguments), None
    if os.path.exists(path):
        if not arguments.resume:
            raise TrainingError(f"{path}: expected no run in the folder, found one; --resume goes on with it")
        content = checkpoint.read_checkpoint(path)
        check_config(path, config, content["config"])
    options = make_options(arguments, content and content["options"], device, scenes)
    network = build_network(config)
    if content is None:
        initialise_weights(network, options.seed)
        if arguments.init is not None:
            checkpoint.initialise(network, arguments.init)
        elif arguments.pretrained is not None:
            from models import pretrained
            pretrained.load(network, arguments.pretrained or None)
    trainer = Trainer(network, options, device)
    if content is not None:
        try:
            trainer.restore(content)
        except (RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
            if isinstance(error, torch.cuda.OutOfMemoryError):
                raise
            raise checkpoint.CheckpointError(f"{path}: expected the state of this run, found: "
                                             f"{one_line(error)[:300]}") from error
        print(f"resumed after {trainer.step} steps, {trainer.step * options.batch} images", flush=True)
    return trainer


def make_source(arguments: argparse.Namespace, side: int):
    """Where the run's scenes come from, for training and validation; its seed is still to be set."""
    if arguments.annotations is not None:
        return AnnotatedSource(arguments.annotations, arguments.images_dir, side, 0, arguments.val_annotations,
                               arguments.format or "auto", arguments.author, bool(arguments.published_decoder))
    for name in ("images_dir", "val_annotations", "format", "author", "published_decoder"):
        if getattr(arguments, name) is not None:
            option = "from" if name == "format" else name.replace("_", "-")
            raise TrainingError(f"--{option}: expected --annotations beside it, found none")
    return ComposedSource(arguments.store, side, "train", 0)


def main(arguments: Optional[List[str]] = None) -> int:
    options = parse_arguments(arguments)
    for name, least in (("log_every", 1), ("workers", 0), ("validate_every", 0), ("validation_scenes", 0),
                        ("stop_at", 0), ("threads", 1)):
        if getattr(options, name) is not None and getattr(options, name) < least:
            print(f"error: --{name.replace('_', '-')}: expected at least {least}, "
                  f"found {getattr(options, name)}", file=sys.stderr)
            return 1
    keep_freed_memory()
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        if os.path.exists(options.out) and not os.path.isdir(options.out):
            raise TrainingError(f"{options.out}: expected a folder, found a file")
        os.makedirs(options.out, exist_ok=True)
        if options.device == "cuda" and not torch.cuda.is_available():
            raise TrainingError("--device: expected a GPU that PyTorch can use, found none")
        device = torch.device(options.device)
        with checkpoint.held(options.out), notes():
            source = make_source(options, named_config(options).side)
            trainer = make_trainer(options, device, source.identity())
            scenes = source.validation(options.validation_scenes)
            source = dataclasses.replace(source, seed=trainer.options.seed).checked()
            pace = Pace(options.out, options.workers, options.log_every, options.validate_every,
                        options.checkpoint_minutes, options.stop_at)
            print(f"{options.config}: {trainer.options}", flush=True)
            Run(trainer, source, scenes, pace).go()
    except (configs.ConfigError, checkpoint.CheckpointError, TrainingError, LoaderError, ValueError,
            OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
