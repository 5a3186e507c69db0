"""Errors of the engine: typed fields, one message template a class, no HTTP and no framework."""

from __future__ import annotations

from typing import Any, ClassVar


class EngineError(Exception):
    """An input or a file that the engine cannot use.

    Subclasses state a stable `code`, a `title` and a `template`; the fields given to the constructor fill the
    template and stay available as `fields`. `kind` names the family of the failure: "unprocessable",
    "invalid", "not_found" or "conflict".
    """

    kind: ClassVar[str] = "unprocessable"
    code: ClassVar[str] = "engine_error"
    title: ClassVar[str] = "The forecasting engine cannot do this"
    template: ClassVar[str] = "{reason}"

    def __init__(self, **fields: Any) -> None:
        self.fields = fields
        super().__init__(self.template.format(**fields))

    @property
    def detail(self) -> str:
        """The message with its fields filled in."""
        return str(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.fields)


def _rebuild(cls: type[EngineError], fields: dict[str, Any]) -> EngineError:
    return cls(**fields)


class EmptyPanel(EngineError):
    code = "empty_panel"
    title = "The panel holds no points"
    template = (
        "The panel has {series} series and {points} points; at least one series with one point is needed."
    )


class MalformedPanel(EngineError):
    kind = "invalid"
    code = "malformed_panel"
    title = "The panel's arrays do not fit together"
    template = "Panel field '{field}': {reason}."


class NonFiniteValue(EngineError):
    code = "non_finite_value"
    title = "A value is not a finite number"
    template = (
        "Series '{series_id}' has {value} in column '{column}' at {ds} (position {position}); "
        "every value must be a finite number: fill it or remove the row."
    )


class DuplicateTimestamp(EngineError):
    code = "duplicate_timestamp"
    title = "A series has two values for one time"
    template = "Series '{series_id}' has more than one row for {ds}; keep one of them."


class UnorderedTimestamps(EngineError):
    code = "unordered_timestamps"
    title = "The times of a series are not ascending"
    template = "Series '{series_id}': {ds} comes after a later time; sort each series by time."


class OffGrid(EngineError):
    code = "off_grid"
    title = "A time does not lie on the frequency's grid"
    template = (
        "Series '{series_id}': {ds} does not lie on the grid of frequency '{frequency}'; "
        "correct the time or choose another frequency."
    )


class UnknownFrequency(EngineError):
    kind = "invalid"
    code = "unknown_frequency"
    title = "The frequency is not known"
    template = "Frequency {value!r} is not known; use one of {known} or an integer for integer time."


class FrequencyNotInferred(EngineError):
    code = "frequency_not_inferred"
    title = "The frequency cannot be read off the times"
    template = "The frequency cannot be inferred: {reason}; state it instead."


class InvalidSpec(EngineError):
    kind = "invalid"
    code = "invalid_spec"
    title = "A setting of the training is out of range"
    template = "Setting '{field}' is {value!r}: {reason}."


class UnknownForecaster(EngineError):
    kind = "invalid"
    code = "unknown_forecaster"
    title = "There is no such forecaster"
    template = "There is no forecaster '{name}'; known are {known}."


class SeriesTooShort(EngineError):
    code = "series_too_short"
    title = "A series is too short for this forecaster"
    template = "Series '{series_id}' has {length} points; {forecaster} needs {needed}."


class NothingFitted(EngineError):
    code = "nothing_fitted"
    title = "The forecaster could fit no series"
    template = "{forecaster} could fit none of the {series} series: {reason}."


class InvalidHierarchy(EngineError):
    code = "invalid_hierarchy"
    title = "The series form no hierarchy"
    template = "The hierarchy cannot be built: {reason}."


class WorkersUnavailable(EngineError):
    code = "workers_unavailable"
    title = "The backend for parallel work cannot be used"
    template = "The backend {backend} cannot be used: {reason}."


class WorkersLost(EngineError):
    code = "workers_lost"
    title = "The workers for parallel work are gone"
    template = "The work on {backend} was lost: {reason}."


class UnknownSeries(EngineError):
    kind = "not_found"
    code = "unknown_series"
    title = "The model does not know this series"
    template = "The model does not know series '{series_id}'; it was trained on {count} series."


class InvalidHorizon(EngineError):
    kind = "invalid"
    code = "invalid_horizon"
    title = "The horizon is out of range"
    template = "Horizon {horizon!r} is out of range; the model forecasts 1 to {horizon_max} steps."


class InvalidLevel(EngineError):
    kind = "invalid"
    code = "invalid_level"
    title = "An interval level is out of range"
    template = "Level {level!r} is out of range; levels are whole percents from 1 to 99, each given once."


class InvalidSampling(EngineError):
    kind = "invalid"
    code = "invalid_sampling"
    title = "The sample paths cannot be drawn"
    template = "Setting '{field}' of the sample paths is {value!r}: {reason}."


class InvalidCovariate(EngineError):
    kind = "invalid"
    code = "invalid_covariate"
    title = "A future covariate does not fit"
    template = "Covariate '{name}' of series '{series_id}': {reason}."


class BundleDamaged(EngineError):
    kind = "conflict"
    code = "bundle_damaged"
    title = "The model bundle is damaged"
    template = "The bundle cannot be used: {reason}."


class BundleTooNew(EngineError):
    kind = "conflict"
    code = "bundle_too_new"
    title = "The model bundle was written by a later version"
    template = "The bundle has format {found}; this version reads formats up to {supported}."


class NotPretrained(EngineError):
    code = "not_pretrained"
    title = "The bundle holds no trees that other series can use"
    template = (
        "The bundle {sha256} cannot serve as a pretrained model: {reason}. Train one with the forecaster "
        "lightgbm_global, without covariates and attributes."
    )


class OutOfTime(EngineError):
    code = "out_of_time"
    title = "The time budget is used up"
    template = "{forecaster}: the time budget was used up before it was done."


class Uncalibrated(EngineError):
    code = "uncalibrated"
    title = "The interval cannot be calibrated"
    template = (
        "The {level} % interval cannot be calibrated: the backtest gave {scores} errors a step, {needed} are needed. "
        "Bring more series or longer histories, ask for a narrower level, or accept the model's own band."
    )


class ChangedHistory(EngineError):
    kind = "conflict"
    code = "changed_history"
    title = "Points that the model has seen were changed"
    template = (
        "Series '{series_id}' has {found} at {ds}, where the model has seen {expected}; "
        "an update only adds points: train again on the corrected data."
    )


class NotUpdatable(EngineError):
    kind = "conflict"
    code = "not_updatable"
    title = "The model cannot take new points"
    template = (
        "{count} series, such as '{series_id}', are forecast only by members that cannot take new points "
        "({reasons}); train again on all data."
    )
