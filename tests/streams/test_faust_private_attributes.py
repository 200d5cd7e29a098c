"""The two private dictionaries of Faust's consumer that the seek leans on, and the version they were read in."""

from __future__ import annotations

import inspect
from importlib.metadata import version

from faust.transport import consumer
from faust.transport.drivers import aiokafka as driver

from streams.seeking_transport import SeekingTransport

PINNED = "0.15.3"


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("faust-streaming") == PINNED, "read perform_seek and both dictionaries again, then move this pin"


def test_the_consumer_keeps_where_it_read_and_what_it_committed_in_these_two() -> None:
    source = inspect.getsource(consumer.Consumer.perform_seek)
    assert "self._read_offset" in source
    assert "self._committed_offset.update" in source
    drained = inspect.getsource(consumer.Consumer._drain_messages)
    assert "get_read_offset(tp)" in drained, "what lies before the read offset is dropped"
    assert "self._committed_offset[tp]" in inspect.getsource(consumer.Consumer._should_commit)


def test_faust_seeks_after_it_told_of_the_assignment() -> None:
    from faust.tables import recovery

    assert "consumer.perform_seek()" in inspect.getsource(recovery)


def test_our_transport_is_used_for_its_consumer() -> None:
    assert issubclass(SeekingTransport.Consumer, driver.Consumer)
    assert SeekingTransport.Consumer.perform_seek is not driver.Consumer.perform_seek
