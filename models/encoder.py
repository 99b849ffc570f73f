"""The encoders (network "ENC"), by the config's `encoder`."""

from models.config import Config
from models.encoder_base import FusedEncoder
from models.encoder_lite import EfficientNetLiteEncoder
from models.encoder_resnet import ResNetEncoder


def make_encoder(config: Config) -> FusedEncoder:
    """Returns the config's encoder: canvas (n, 3, S, S) -> features (n, C, S/4, S/4)."""
    kinds = {"resnet": ResNetEncoder, "efficientnet-lite0": EfficientNetLiteEncoder}
    return kinds[config.encoder](config)
