"""One of the two aggregators of the secure sum: holds shares, agrees with its peer, gives the hub its share of a sum.

schema -> shelf -> aggregator, sum_sealer -> runner (links, metrics) -> service (settings, share_uploads)
                                                                     -> routes -> serve
"""

from hub.aggregator.aggregator import Aggregator
from hub.aggregator.shelf import AggregatorShelf, aggregator_store
from hub.aggregator.sum_sealer import SumSealer

__all__ = ["Aggregator", "AggregatorShelf", "SumSealer", "aggregator_store"]
