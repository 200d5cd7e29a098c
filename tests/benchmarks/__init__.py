"""Tests of the benchmarks and studies themselves."""
