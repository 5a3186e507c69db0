"""The forms of the upload pages."""

from __future__ import annotations

from typing import Any

from django import forms

from apps.datasets.reading.contracts import Column, ColumnMapping, Question, Reading

CHOICE_PREFIX = "choice:"
GAP_RULES = (
    ("season", "the value one season earlier"),
    ("previous", "the last value before the gap"),
    ("zero", "zero (no row means nothing was sold)"),
)


class UploadForm(forms.Form):
    """One CSV file."""

    file = forms.FileField(label="CSV file", max_length=200, error_messages={"empty": "The file is empty."})


class NameForm(forms.Form):
    """What the data set will be called."""

    name = forms.CharField(max_length=120, label="Name")


class MappingForm(forms.Form):
    """Which column plays which part, drawn from a reading; answers to questions are fields too."""

    use_required_attribute = False  # a preview is asked for while something is still missing

    time = forms.ChoiceField(label="Time")
    value = forms.ChoiceField(label="Value")
    series = forms.MultipleChoiceField(
        label="Series",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="The column that tells the series apart, or several; none if the file is one series.",
    )
    covariates = forms.MultipleChoiceField(
        label="Also use",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Number columns that help to explain the value, such as a price.",
    )
    gap_rule = forms.ChoiceField(label="Fill missing steps with", choices=GAP_RULES)

    def __init__(self, reading: Reading, *, gap_rule: str = "") -> None:
        mapping = reading.mapping or ColumnMapping("", "")
        proposed = gap_rule or (reading.table.gap_rule if reading.table else "season")
        super().__init__(
            initial={
                "time": mapping.time,
                "value": mapping.value,
                "series": list(mapping.series),
                "covariates": list(mapping.covariates),
                "gap_rule": proposed,
            }
        )
        self._offer(reading.columns)
        if not reading.columns:
            self.fields.clear()
        elif reading.table is None or reading.table.missing_steps == 0:
            self.fields["gap_rule"].widget = forms.HiddenInput()
        for question in reading.questions:
            self.fields[CHOICE_PREFIX + question.key] = _choice_field(question)
        for key, answer in mapping.choices.items():
            hidden = forms.CharField(initial=answer, widget=forms.HiddenInput, required=False)
            self.fields.setdefault(CHOICE_PREFIX + key, hidden)

    @property
    def question_fields(self) -> list[forms.BoundField]:
        """The fields that answer open questions."""
        return [field for field in self if field.name.startswith(CHOICE_PREFIX) and not field.is_hidden]

    @property
    def column_fields(self) -> list[forms.BoundField]:
        """The fields of the mapping, earlier answers among them (hidden)."""
        return [field for field in self if not field.name.startswith(CHOICE_PREFIX) or field.is_hidden]

    def _offer(self, columns: tuple[Column, ...]) -> None:
        labels = [(column.name, _label(column)) for column in columns]
        numeric = [(column.name, column.name) for column in columns if column.kind in ("number", "flag")]
        self._set("time", [("", "choose"), *labels])
        self._set("value", [("", "choose"), *labels])
        self._set("series", [(column.name, column.name) for column in columns])
        self._set("covariates", numeric)
        if not numeric:
            del self.fields["covariates"]

    def _set(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices


def _label(column: Column) -> str:
    example = f" ({column.examples[0]}, …)" if column.examples else " (empty)"
    return column.name + example


def _choice_field(question: Question) -> forms.ChoiceField:
    options = [
        (item.value, f"{item.label}: {item.example}" if item.example else item.label)
        for item in question.options
    ]
    return forms.ChoiceField(
        label=question.message,
        choices=[("", "choose"), *options],
        widget=forms.Select(attrs={"data-question": question.code}),
    )


def mapping_of(data: Any) -> ColumnMapping:
    """The mapping in posted or asked values (a ``QueryDict``); of two parts a column keeps the first."""
    time, value = data.get("time", ""), data.get("value", "")
    series = tuple(name for name in data.getlist("series") if name not in (time, value))
    used = {time, value, *series}
    choices = {
        name.removeprefix(CHOICE_PREFIX): data[name]
        for name in data
        if name.startswith(CHOICE_PREFIX) and data[name]
    }
    return ColumnMapping(
        time=time,
        value=value,
        series=series,
        covariates=tuple(name for name in data.getlist("covariates") if name not in used),
        choices=choices,
    )
