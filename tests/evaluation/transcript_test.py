"""The committed scenes are what make_fixtures.py makes, and their figures what the transcript finds."""

import json
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import make_fixtures  # noqa: E402
import transcript  # noqa: E402


def stored(name):
    return json.loads((make_fixtures.SCENES / name).read_text(encoding="utf-8"))


class Fixtures(unittest.TestCase):
    def test_scenes_hold_what_they_are_for(self):
        annotations, results = stored("annotations.json"), stored("results.json")
        counts = {image["id"]: 0 for image in annotations["images"]}
        for entry in results:
            counts[entry["image_id"]] += 1
        self.assertIn(0, counts.values())
        self.assertGreater(max(counts.values()), 100)
        scores = [entry["score"] for entry in results]
        self.assertLess(len(set(scores)), len(scores) // 4)
        self.assertLess(min(scores), 0)
        regions = [region for annotation in annotations["annotations"] for region in annotation["regions"]]
        self.assertTrue({0, 0.00001, 0.25, 1} <= {region.get("occlude_rate") for region in regions})
        sizes = {image["id"]: (image["height"], image["width"]) for image in annotations["images"]}
        beyond = [annotation["image_id"] for annotation in annotations["annotations"]
                  for region in annotation["regions"] if "invisible_mask" in region and
                  (transcript.mask_of(region["invisible_mask"], *sizes[annotation["image_id"]])
                   & ~transcript.mask_of(region["segmentation"], *sizes[annotation["image_id"]])).any()]
        self.assertEqual(1, len(beyond))
        self.assertIn([], [annotation["regions"] for annotation in annotations["annotations"]])
        self.assertEqual(1, sum(region.get("iscrowd", 0) for region in regions))
        self.assertEqual(len(annotations["images"]) - 1, len(annotations["annotations"]))

    def test_figures_are_those_of_the_transcript(self):
        for old, new in zip(stored("golden.json"), make_fixtures.golden()):
            with self.subTest(arguments=old["arguments"]):
                self.assertEqual(old["arguments"], new["arguments"])
                self.assertEqual(set(old["figures"]), set(new["figures"]))
                for key, value in old["figures"].items():
                    if isinstance(value, float):
                        self.assertAlmostEqual(value, new["figures"][key], delta=1e-12, msg=key)
                    else:
                        self.assertEqual(value, new["figures"][key], key)


if __name__ == "__main__":
    unittest.main()
