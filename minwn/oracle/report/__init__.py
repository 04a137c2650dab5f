"""What the judge says: as data, as text, as one HTML file, as JUnit XML."""

from .data import Rung, Smallest, Worst
from .html import page
from .report import Report

__all__ = ["Report", "Rung", "Smallest", "Worst", "page"]
