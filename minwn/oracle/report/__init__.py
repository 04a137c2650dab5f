"""What the judge says: as data, as text, as one HTML file, as JUnit XML."""

from .html import page
from .report import Report, Rung, Smallest, Worst

__all__ = ["Report", "Rung", "Smallest", "Worst", "page"]
