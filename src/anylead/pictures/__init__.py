"""Arrays and recordings -> figures, and figures -> files."""

from anylead.pictures.ecg_page import ecg_page, record_header
from anylead.pictures.output import render, save

__all__ = ["ecg_page", "record_header", "render", "save"]
