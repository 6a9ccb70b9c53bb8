"""Parts of a report as Markdown: what a template's cells print."""

from .article import Article

__all__ = ["Article"]
