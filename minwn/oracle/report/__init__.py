"""The report: as data, as text, as one HTML file, as JUnit XML."""

from .data import CheckResult, LayerMinimalCase, MinimalCase, Worst
from .html import page
from .report import Report

__all__ = ["CheckResult", "LayerMinimalCase", "MinimalCase", "Report", "Worst", "page"]
