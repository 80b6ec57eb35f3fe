"""Tests of the oci adapter."""
