"""Everything that brings records in: sources that hand on raw records, and readers that understand them."""

from connectors.ignored import Ignored
from connectors.pv_core import default_vocabulary
from connectors.readers import read
from connectors.source import Source, SourceBatch

__all__ = ["Ignored", "Source", "SourceBatch", "default_vocabulary", "read"]
