"""The config's text is a contract: its bytes are hashed and parsed by other programs."""

import dataclasses
import hashlib
import json
import unittest

from models import config as configs
from models.config import Config, ConfigError

R50_JSON = (
    '{"anchor_ratios":[0.5,1.0,2.0],"anchor_scales":[0.03125,0.0625,0.125,0.25,0.5],'
    '"blocks":[3,4,6,3],"bn_eps":1e-05,"encoder":"resnet","feature_channels":256,'
    '"head_channels":256,"layers":4,"max_rois":100,"mean":[123.675,116.28,103.53],'
    '"min_box":0.00390625,"network":"sln","nms_iou":0.7,"pre_nms":1000,"roi_side":28,'
    '"rpn_channels":512,"rpn_stride":16,"side":1024,"std":[58.395,57.12,57.375],'
    '"stem_channels":64}')


class ConfigTest(unittest.TestCase):
    def test_r50_text_and_hash(self):
        config = configs.named("r50")
        self.assertEqual(config.to_json(), R50_JSON)
        self.assertEqual(config.sha256(), hashlib.sha256(R50_JSON.encode()).hexdigest())

    def test_derived_sizes(self):
        config = configs.named("r50")
        self.assertEqual((config.planes, config.map_side, config.grid, config.anchors_per_cell),
                         (5, 256, 64, 15))
        self.assertEqual(config.candidates, 1000)
        self.assertEqual(dataclasses.replace(config, pre_nms=10 ** 6).candidates, 15 * 64 * 64)

    def test_r50_512_differs_only_in_side(self):
        self.assertEqual(configs.named("r50-512"), dataclasses.replace(configs.named("r50"), side=512))

    def test_round_trip(self):
        for name, config in configs.CONFIGS.items():
            with self.subTest(name):
                self.assertEqual(Config.from_json(config.to_json()), config)

    def test_missing_and_unknown_keys(self):
        values = json.loads(R50_JSON)
        del values["side"]
        values["sides"] = 1024
        with self.assertRaisesRegex(ConfigError, r"missing keys \['side'\], unknown keys \['sides'\]"):
            Config.from_json(json.dumps(values))

    def test_unknown_name(self):
        with self.assertRaisesRegex(ConfigError, "demo, .*r50, r50-512, tiny, .*, found 'r51'"):
            configs.named("r51")

    def test_other_texts_and_hashes(self):
        """Files in use carry these bytes; a change would make them another network's."""
        hashes = {
            "tiny": "50c65770580084568e3aa7c37c9607f61b6e5513f181c4c14fd3b826568e989c",
            "demo": "c386ae606dd8fadf6cc7d5ef3d4110f5e8b610e1e4d21c7a7fb6b59d1cabc2dd",
            "demo-lite1": "9ab4e28cc58cff65bbaf3fbe2d5ce295122f864f2c545b56c88eb5b4d95da59d",
            "demo-arcnn": "2b68446594505de99044ad6e418268a5212e03cbcc3a576e1593993b4ccc0c5c",
            "demo-arcnn-visible": "932d7a84cfacb821aeafcde29da2b09838b38bb4236cf0efa1b399f1bf236f00",
        }
        for name, found in hashes.items():
            self.assertEqual(configs.named(name).sha256(), found, name)

    def test_demo(self):
        demo = configs.named("demo")
        self.assertEqual((demo.network, demo.encoder, demo.side, demo.layers, demo.roi_side, demo.max_rois),
                         ("sln", "efficientnet-lite0", 512, 4, 28, 100))
        self.assertEqual((demo.feature_channels, demo.head_channels, demo.stem_channels, demo.blocks),
                         (64, 64, 32, (1, 2, 2, 3, 3, 4, 1)))
        self.assertEqual((demo.rpn_channels, demo.rpn_stride, demo.grid), (128, 8, 64))
        self.assertEqual((demo.pre_nms, demo.nms_iou), (6000, 0.65))
        self.assertEqual((demo.mean, demo.std, demo.bn_eps), ((127.0,) * 3, (128.0,) * 3, 1e-3))

    def test_demo_lite1_differs_from_demo_in_its_blocks(self):
        self.assertEqual(configs.named("demo-lite1"), dataclasses.replace(configs.named("demo"), blocks=(1, 3, 3, 4, 4, 5, 1)))

    def test_baselines_differ_from_demo_in_nothing_else(self):
        for name, layers in (("arcnn", 1), ("arcnn-visible", 2)):
            self.assertEqual(configs.named("demo-" + name), dataclasses.replace(
                configs.named("demo"), network=name, layers=layers, head_channels=61))
            self.assertEqual(configs.named("tiny-" + name), dataclasses.replace(
                configs.named("tiny-lite"), network=name, layers=layers))

    def test_what_heads_see(self):
        names = ("demo", "demo-arcnn", "tiny-arcnn-visible")
        self.assertEqual([configs.named(name).context_channels for name in names], [69, 64, 24])

    def test_networks_and_encoders_have_rules_of_their_own(self):
        faults = (
            ("demo-arcnn", {"layers": 2}, "layers: expected 1 for network 'arcnn', found 2"),
            ("tiny-arcnn-visible", {"layers": 4}, "layers: expected 2 .*'arcnn-visible'"),
            ("demo", {"blocks": (3, 4, 6, 3)}, "blocks: expected 7 .*'efficientnet-lite0'"),
            ("r50", {"blocks": (1, 2, 2, 3, 3, 4, 1)}, "blocks: expected 4 .*'resnet'"),
            ("tiny", {"network": "arcnn"}, "layers: expected 1"),
        )
        for name, changes, text in faults:
            with self.subTest(text), self.assertRaisesRegex(ConfigError, text):
                dataclasses.replace(configs.named(name), **changes)

    def test_values_that_cannot_be_built(self):
        faults = {"network": "ordernet", "encoder": "vgg", "side": 100, "layers": 0, "roi_side": 0,
                  "rpn_stride": 6, "blocks": (3, 4, 6), "anchor_ratios": (), "anchor_scales": (0.0,),
                  "nms_iou": 0.0, "min_box": 1.0, "std": (1.0, 0.0, 1.0), "bn_eps": 0.0}
        for name, value in faults.items():
            with self.subTest(name), self.assertRaisesRegex(ConfigError, name):
                dataclasses.replace(Config(), **{name: value})
