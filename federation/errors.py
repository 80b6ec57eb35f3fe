"""What errors of the federation have in common."""


class DetailedError(Exception):
    """An error with two texts: its own, in one line with the remedy, may be read by whoever asked, strangers too; a
    `detail` is for operators alone, since it may name hosts, files and people. No secret is in either.
    """

    def __init__(self, text: str, detail: str = "") -> None:
        super().__init__(text)
        self.detail = detail

    @property
    def whole(self) -> str:
        """Both, for logs and for the terminal of whoever runs the gateway."""
        return f"{self} ({self.detail})" if self.detail else str(self)
