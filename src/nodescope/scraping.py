"""One listener's scrape: which collectors, run together, rendered in the format that was asked for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

import msgspec

from nodescope.exposition.negotiation import Format, negotiate
from nodescope.exposition.openmetrics import OpenMetricsEncoder
from nodescope.exposition.text import TextEncoder
from nodescope.metric import Family
from nodescope.runner import Outcome, Runner

LEAST_TIMEOUT_S: Final = 0.05
MAX_SERIES_LOGGED: Final = 3

_ENCODERS: Final[dict[Format, type[TextEncoder]]] = {"text": TextEncoder, "openmetrics": OpenMetricsEncoder}

log = logging.getLogger(__name__)


class UnknownCollector(ValueError):
    """A collector that this listener does not have. The message says which, and why."""


class Scrape:
    """`names`: the collectors of the listener, in order. `own(outcomes)`: nodescope's families about itself.
    `hidden`: of collectors those families, by name, that another of the listener shows.

    `dropped` counts series left out, by reason.
    """

    def __init__(
        self,
        runner: Runner,
        names: Sequence[str],
        own: Callable[[Sequence[Outcome]], list[Family]],
        constant_labels: Mapping[str, str],
        max_series: int,
        timeout_s: float,
        timeout_offset_s: float,
        hidden: Mapping[str, Collection[str]],
    ) -> None:
        self.runner = runner
        self.names = tuple(names)
        self.dropped = {"duplicate": 0, "labels": 0, "limit": 0, "name": 0}
        self._own = own
        self._constant_labels = dict(constant_labels)
        self._max_series = max_series
        self._timeout_s = timeout_s
        self._timeout_offset_s = timeout_offset_s
        self._hidden = dict(hidden)
        self._encoders: dict[Format, TextEncoder] = {}
        self._encoding = threading.Lock()

    def render(
        self,
        collect: Sequence[str] = (),
        exclude: Sequence[str] = (),
        timeout_s: float | None = None,
        accept: str = "",
        here: bool = False,
    ) -> tuple[bytes, str]:
        """Body and content type. Raises `UnknownCollector`.

        `collect`: only these; `exclude`: all but these. `timeout_s`: the scraper's own limit. `here`: as in `Runner`.
        """
        names = self.select(collect, exclude)
        limit = self._timeout_s if timeout_s is None else max(LEAST_TIMEOUT_S, timeout_s - self._timeout_offset_s)
        outcomes = self.runner.scrape(names, limit, here)
        if self._hidden:
            outcomes = [self._shown(outcome) for outcome in outcomes]
        form = negotiate(accept) if accept else "text"
        families: list[Family] = []
        for outcome in outcomes:
            families += outcome.families
        families += self._own(outcomes)
        if names != self.names:
            # A filtered scrape would push the whole scrape's kept lines out.
            return self._encode(self._new_encoder(form), families)
        with self._encoding:
            encoder = self._encoders.get(form)
            if encoder is None:
                encoder = self._encoders[form] = self._new_encoder(form)
            return self._encode(encoder, families)

    def _shown(self, outcome: Outcome) -> Outcome:
        """`outcome` without what this listener shows of another collector: collectors are shared, listeners differ."""
        hidden = self._hidden.get(outcome.collector)
        if hidden is None:
            return outcome
        families = tuple(family for family in outcome.families if family.metric.name not in hidden)
        return msgspec.structs.replace(outcome, families=families)

    def select(self, collect: Sequence[str], exclude: Sequence[str]) -> tuple[str, ...]:
        """The collectors of a filtered scrape, in the listener's order."""
        for name in collect:
            if name not in self.names:
                known = name in self.runner.collectors
                raise UnknownCollector(f"{'disabled' if known else 'missing'} collector: {name[:100]}")
        if collect:
            return tuple(name for name in self.names if name in collect)
        if exclude:
            return tuple(name for name in self.names if name not in exclude)
        return self.names

    def _new_encoder(self, form: Format) -> TextEncoder:
        return _ENCODERS[form](self._constant_labels, self._max_series)

    def _encode(self, encoder: TextEncoder, families: list[Family]) -> tuple[bytes, str]:
        body = encoder.encode(families)
        if encoder.duplicates:
            self.dropped["duplicate"] += len(encoder.duplicates)
            shown = ", ".join(encoder.duplicates[:MAX_SERIES_LOGGED])
            log.debug("series given twice, dropped: %s", shown)
        if encoder.mislabelled:
            self.dropped["labels"] += len(encoder.mislabelled)
            shown = ", ".join(encoder.mislabelled[:MAX_SERIES_LOGGED])
            log.debug("series with too few or too many labels, dropped: %s", shown)
        if encoder.misnamed:
            self.dropped["name"] += encoder.misnamed
            log.debug("%d series of histograms or summaries have names of other families, dropped", encoder.misnamed)
        if encoder.truncated:
            self.dropped["limit"] += encoder.truncated
            log.debug("%d series are beyond scrape.max-series, dropped", encoder.truncated)
        return body, encoder.content_type
