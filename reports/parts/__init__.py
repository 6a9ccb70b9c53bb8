"""Parts of a report as Markdown: what a template's cells print."""

from .article import Article
from .plan import AnalysisPlan
from .supplement import Supplement

__all__ = ["AnalysisPlan", "Article", "Supplement"]
