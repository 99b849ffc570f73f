"""One run: its state, its steps, and going on from where it was."""

import dataclasses
import json
import math
import os
import signal
import time
from typing import Any, Callable, Dict, List, Optional

import torch
from torch import nn

from models.losses import SHARED_VISIBLE
from models.scene import Scene
from models.training import checkpoint
from models.training.batches import collate
from models.training.forward import ALL_LOSSES, LossOptions, batch_losses, precision_context, total_loss
from models.training.loader import Loader, LoaderError
from models.training.log import Log, Progress, draw_curves
from models.training.optimiser import (RECIPES, Average, apply_stage, learning_rate, make_optimiser,
                                       network_stages, set_rate, stage_starts)
from models.training.replicas import Replicas
from models.training.validation import Validator


class TrainingError(RuntimeError):
    """A run that cannot go on; the text is the whole message."""


@dataclasses.dataclass
class Options:
    """What defines a run: the same options and scenes give the same weights. Stored in checkpoints."""

    images: int = 150000  # in all; the schedule spans them
    batch: int = 16
    replicas: int = 1  # copies of the network that share a batch out; each normalises its share by itself
    seed: int = 0
    recipe: str = "default"
    rate: float = 0.0  # learning rate, 0: the recipe's
    decay: float = -1.0  # weight decay, negative: the recipe's
    rois: int = 8  # per image
    lambda_r: float = 1.0
    lambda_g: float = 1.0
    lambda_i: float = 1.0
    lambda_m: float = 1.0
    shared_weight: float = SHARED_VISIBLE  # of visible cells that another object lies in too
    binary_global: bool = False
    average: float = 0.999
    warmup: int = 200  # steps
    clip: float = 5.0  # norm of the gradient
    encoder_share: float = 1.0  # learning rate of the encoder over that of the rest
    fixed_statistics: bool = False  # of the encoder's BN
    frozen_stages: int = 0  # of the encoder, from its stem on, which goes with them
    precision: str = "fp32"
    begun: int = 0  # steps of the schedule that the initial weights have behind them
    scenes: str = "shapes"  # where they come from: a source's identity()

    @property
    def steps(self) -> int:
        """Whole batches that hold all images."""
        return -(-self.images // self.batch)


@dataclasses.dataclass
class Pace:
    """What may differ from one part of a run to the next without changing its result."""

    out: str
    workers: int = 1
    log_every: int = 20  # steps
    validate_every: int = 10000  # images, 0: only at the end
    checkpoint_minutes: float = 10.0
    stop_at: int = 0  # images, 0: at the end


def initialise_weights(network: nn.Module, seed: int) -> None:
    """He's normal weights; output layers start small, so that every softmax starts near even."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                fan = module.weight[0].numel()
                std = 0.01 if module.bias is not None else math.sqrt(2.0 / fan)
                module.weight.copy_(torch.randn(module.weight.shape, generator=generator) * std)
                if module.bias is not None:
                    module.bias.zero_()


class Trainer:
    """Network, optimiser and average, `step` steps into a run."""

    def __init__(self, network: nn.Module, options: Options, device: torch.device):
        self.device, self.options, self.step = device, options, options.begun
        recipe = RECIPES[options.recipe]
        self.recipe = dataclasses.replace(recipe, rate=options.rate or recipe.rate,
                                          decay=recipe.decay if options.decay < 0 else options.decay)
        self.network = network.to(device).to(memory_format=torch.channels_last)
        self.replicas = Replicas(self.network, options.replicas)
        self.stages = network_stages(self.recipe, network)
        self.starts = stage_starts(self.stages, options.steps)
        self.average = Average(self.network, options.average)
        self.optimiser = make_optimiser(self.network, self.recipe, options.encoder_share)
        # Half precision alone has too few exponents for small gradients.
        scaler = torch.amp.GradScaler if hasattr(torch.amp, "GradScaler") else torch.cuda.amp.GradScaler
        self.scaler = scaler(enabled=options.precision == "fp16")
        self.stage = -1

    def _enter_stage(self) -> None:
        stage = max(k for k in range(len(self.stages)) if self.starts[k] <= self.step)
        if stage == self.stage:
            return
        self.stage = stage
        if self.step == self.starts[stage]:
            self.optimiser.state.clear()  # momentum of a stage that froze a part would move it in this one
        for network in self.replicas.networks:
            apply_stage(network, self.stages[stage], self.options.fixed_statistics, self.options.frozen_stages)
        o, wanted = self.options, self.stages[stage].losses
        weights = dict(zip(ALL_LOSSES, (o.lambda_r, o.lambda_g, o.lambda_i, o.lambda_m)))
        self.losses = LossOptions(tuple((n, w) for n, w in weights.items() if n in wanted and w > 0),
                                  o.binary_global, o.rois, o.seed, o.shared_weight)
        if not self.losses.weights:
            raise TrainingError(f"stage {self.stages[stage].name}: expected a loss with a positive weight, "
                                f"found none")
        for parameter in self.network.parameters():
            parameter.grad = None  # what is frozen now must not move on an old gradient

    def rate(self) -> float:
        """The learning rate of the step to come."""
        rate = learning_rate(self.recipe, self.step, self.starts[self.stage], self.starts[self.stage + 1],
                             self.options.warmup)
        if self.options.begun:  # the optimiser is new, wherever in the schedule that is
            rate *= min(1.0, (self.step - self.options.begun + 1) / self.options.warmup)
        return rate

    def _backward(self, network: nn.Module, samples: List, first: int) -> Dict[str, float]:
        """Adds the gradients of the scenes first and on, a replica's share of a batch, to the network's."""
        batch = collate(samples, network.config, self.device)
        with precision_context(self.device, self.options.precision):
            parts = batch_losses(network, batch, list(range(first, first + len(samples))), self.losses)
        loss = total_loss(parts, self.losses)
        values = {"loss": float(loss.detach()), **{name: float(v.detach()) for name, v in parts.items()}}
        if not math.isfinite(values["loss"]):
            raise TrainingError(f"step {self.step}: expected a finite loss, found {values}")
        self.scaler.scale(loss / self.options.replicas).backward()
        return values

    def train_step(self, samples: List) -> Dict[str, float]:
        """One step on a batch of samples, scenes step * batch and on; returns the losses."""
        self._enter_stage()
        first, share = self.step * self.options.batch, len(samples) // self.options.replicas
        set_rate(self.optimiser, self.rate())
        self.optimiser.zero_grad(set_to_none=True)
        shares = self.replicas.run(lambda network, k: self._backward(
            network, samples[k * share:(k + 1) * share], first + k * share))
        self.replicas.merge()
        self.scaler.unscale_(self.optimiser)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.options.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.step += 1
        self.average.update(self.network, self.step)
        return {name: sum(values[name] for values in shares) / len(shares) for name in shares[0]}

    def content(self) -> Dict[str, Any]:
        """The checkpoint after `step` steps."""
        return {"format": checkpoint.FORMAT, "config": self.network.config.to_json(), "step": self.step,
                "images": self.step * self.options.batch, "model": self.network.state_dict(),
                "ema": self.average.network.state_dict(),
                "optimizer": checkpoint.pack_optimiser(self.optimiser.state_dict()),
                "options": json.dumps(dataclasses.asdict(self.options)),
                "scaler": json.dumps(self.scaler.state_dict())}

    def restore(self, content: Dict[str, Any]) -> None:
        """Goes on from a checkpoint of this config and these options."""
        self.network.load_state_dict(content["model"])
        self.replicas.spread_statistics()
        self.average.network.load_state_dict(content["ema"])
        self.optimiser.load_state_dict(checkpoint.unpack_optimiser(content["optimizer"]))
        self.scaler.load_state_dict(content.get("scaler", {}) or self.scaler.state_dict())
        self.step, self.stage = content["step"], -1


class Run:
    """A trainer with its loader, log, validation and checkpoints in a folder."""

    def __init__(self, trainer: Trainer, make_source: Callable, validation: List[Scene], pace: Pace):
        self.trainer, self.make_source, self.pace = trainer, make_source, pace
        self.validator = Validator(trainer.network, validation, trainer.device) if validation else None
        self.log = Log(os.path.join(pace.out, "log.jsonl"), trainer.step)
        self.stopped: Optional[str] = None

    def _stop(self, number: int, _frame: Any) -> None:
        self.stopped = signal.Signals(number).name

    def save(self) -> None:
        """Writes checkpoint.pt (to resume) and weights.pt (averaged weights, to export), and the curves."""
        content = self.trainer.content()
        checkpoint.write(os.path.join(self.pace.out, "checkpoint.pt"), content)
        checkpoint.write(os.path.join(self.pace.out, "weights.pt"),
                         {"config": content["config"], "state_dict": content["ema"],
                          "images": content["images"]})
        draw_curves(self.log.path, os.path.join(self.pace.out, "curves.png"))

    def validate(self, progress: Progress) -> None:
        """Judges the averaged weights and logs the figures."""
        if self.validator is None:
            return
        begin = time.monotonic()
        figures = self.validator.run(self.trainer.average.network.state_dict(),
                                     lambda: self.stopped is not None)
        seconds = time.monotonic() - begin
        progress.paused += seconds
        if figures is None:
            return
        images = self.trainer.step * self.trainer.options.batch
        self.log.write({"kind": "validation", "step": self.trainer.step, "images": images, **figures})
        print(f"validation at {images} images ({seconds:.0f} s): "
              + ", ".join(f"{name} {value:.3f}" for name, value in figures.items()), flush=True)

    def go(self) -> bool:
        """Trains to the end, `stop_at` or a SIGTERM or SIGINT; True if the run is finished."""
        trainer, options, pace = self.trainer, self.trainer.options, self.pace
        last = min(options.steps, -(-pace.stop_at // options.batch)) if pace.stop_at else options.steps
        handlers = {number: signal.signal(number, self._stop) for number in (signal.SIGTERM, signal.SIGINT)}
        progress, saved = Progress(trainer.step, options.steps, options.batch), time.monotonic()
        every = -(-pace.validate_every // options.batch)
        loader = Loader(self.make_source, trainer.network.config, options.seed,
                        trainer.step * options.batch, last * options.batch, pace.workers)
        try:
            while trainer.step < last and self.stopped is None:
                try:
                    samples = loader.take(options.batch)
                except LoaderError:
                    if self.stopped is None:
                        self.save()  # what was learnt outlives a picture that cannot be read
                        raise
                    break  # a signal to the whole group ended a process that was only starting
                progress.add(trainer.train_step(samples))
                if trainer.step % pace.log_every == 0 or trainer.step == last:
                    self.log.write(progress.line(trainer.step, trainer.rate()))
                if (every and trainer.step % every == 0) or trainer.step == options.steps:
                    self.validate(progress)
                if time.monotonic() - saved >= 60.0 * pace.checkpoint_minutes:
                    self.save()
                    saved = time.monotonic()
            self.save()
        finally:
            loader.close()
            for number, handler in handlers.items():
                signal.signal(number, handler)
        if self.stopped:
            print(f"stopped by {self.stopped} after {trainer.step} steps; --resume goes on", flush=True)
        return trainer.step >= options.steps
