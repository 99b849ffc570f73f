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

    def test_values_that_cannot_be_built(self):
        faults = {"network": "ordernet", "encoder": "vgg", "side": 100, "layers": 0, "roi_side": 0,
                  "rpn_stride": 6, "blocks": (3, 4, 6), "anchor_ratios": (), "anchor_scales": (0.0,),
                  "nms_iou": 0.0, "min_box": 1.0, "std": (1.0, 0.0, 1.0), "bn_eps": 0.0}
        for name, value in faults.items():
            with self.subTest(name), self.assertRaisesRegex(ConfigError, name):
                dataclasses.replace(Config(), **{name: value})
