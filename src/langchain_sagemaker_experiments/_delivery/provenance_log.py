"""Records with what the traces of a run are made, on request: once, and again when it changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .._langchain_values.prompts import add_prompt
from .._masking.text_masking import mask_text
from .._recording.provenance import Parameters, git_state, log_provenance, provenance
from .source import Source


class ProvenanceLog:
    """What a pipeline has recorded of code, versions and prompts."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._git: Parameters | None = None
        self._recorded: Parameters = {}

    def note(self, sources: Sequence[Source]) -> None:
        """Record what there is to say, if it is not recorded yet. Never raises: what fails is
        counted as a fault of the first source.
        """
        try:
            self._note(sources)
        except Exception as error:
            sources[0].faults.count(f"provenance not recorded ({type(error).__name__})")

    def _note(self, sources: Sequence[Source]) -> None:
        capture = next((one.capture for one in sources if one.capture is not None), None)
        if capture is None:
            return
        if self._git is None:
            self._git = git_state()
        for source in sources:
            if source.capture is not None:
                for name, text in source.capture.prompts():
                    add_prompt(self._texts, name, mask_text(text))
        told = provenance(self._git, self._texts)
        if told != self._recorded:
            log_provenance(capture, told, self._texts)
            self._recorded = told

    def parameters(self, existing: Mapping[str, object]) -> Parameters:
        """Return what the run does not have yet; the newest process's word counts."""
        return {
            name: value for name, value in self._recorded.items() if existing.get(name) != value
        }
