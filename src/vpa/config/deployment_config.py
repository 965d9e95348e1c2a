"""Promised import path; everything is defined elsewhere."""

from vpa.config.check import validate_config
from vpa.config.settings import DeploymentConfig, get_config

__all__ = ["DeploymentConfig", "get_config", "validate_config"]
