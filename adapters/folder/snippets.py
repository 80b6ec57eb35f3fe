"""How a user of the share loads a version: lines to paste, safe for every name."""

from pathlib import PurePosixPath
from shlex import quote

from adapters.contract import Snippet
from adapters.folder.config import FolderConfig
from adapters.payloads import parts, text
from adapters.records import VersionRecord

MOST_CHECKED = 50
"""Files whose digests are shown."""
LOADS = {
    "safetensors": "from safetensors.{framework} import load_file\n\ntensors = load_file({file!r})",
    "gguf": "from gguf import GGUFReader\n\nmodel = GGUFReader({file!r})",
    "onnx": "import onnx\n\nmodel = onnx.load({file!r})",
}
"""By format. A pickle is not among them: who loads one runs what it says."""
LIBRARIES = {"pytorch": "torch", "tensorflow": "tensorflow", "flax": "flax", "mlx": "mlx"}


def snippets(config: FolderConfig, model: str, version: VersionRecord) -> tuple[Snippet, ...]:
    """Python for the first file of a format that loads without running anything; copying; comparing digests."""
    folder = PurePosixPath(config.path, model, version.version)
    files = [(text(file, "name") or "", file) for file in parts(version.native, "files")]
    loads = (
        Snippet(f"Load {name}", "python", LOADS[str(file["format"])].format(
            file=str(folder / name), framework=LIBRARIES.get(version.framework or "", "numpy")
        ))
        for name, file in files
        if file.get("format") in LOADS
    )  # fmt: skip
    copy = Snippet("Copy the folder", "shell", f"cp -R -- {quote(str(folder))} .")
    plain = [(name, file["sha256"]) for name, file in files if "sha256" in file and name.isprintable()]
    lines = [f"{sha}  {name}" for name, sha in plain[:MOST_CHECKED] if "\\" not in name]
    check = "\n".join([f"cd -- {quote(str(folder))} && sha256sum --check <<'END'", *lines, "END"])
    return (*[*loads][:1], copy, *([Snippet("Compare the digests", "shell", check)] if lines else []))
