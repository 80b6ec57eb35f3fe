"""A registry of OCI artifacts for the `oci` adapter, in memory: answers as Debian's docker-registry 2.8.2 does.

`python -m adapters.emulators.oci` starts it; `serve(OciRegistry())` runs it inside a test. What it can do beyond that
release (taking tags away, referrers, signing in for tokens) is switched on, and is of the specifications:
https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md and
https://distribution.github.io/distribution/spec/auth/token/.
"""

from adapters.emulators.oci.server import OciRegistry, serve

__all__ = ["OciRegistry", "serve"]
