"""Promotions, plans above operations: who may bring which version to which stage, on which evidence; the way back."""
