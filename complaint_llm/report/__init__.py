"""Pages and comparisons of a batch's results, for people who read answers instead of files of JSON.

A room of its own: it reads what a batch wrote and asks nothing. Jinja2 (``[report]``) is imported on first use.
"""

from complaint_llm.report.items import ReportItem, read_items
from complaint_llm.report.page import ReportPage, render_page, write_page

__all__ = ["ReportItem", "ReportPage", "read_items", "render_page", "write_page"]
