"""Tests of registries and the connections to them."""
