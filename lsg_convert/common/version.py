"""The version of this package, as it is installed."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("lsg-convert")
except PackageNotFoundError:  # run from a checkout that is not installed
    __version__ = "0+unknown"
