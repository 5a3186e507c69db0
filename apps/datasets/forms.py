"""The forms of the upload pages."""

from __future__ import annotations

from typing import Any

from django import forms

from apps.datasets import sources
from apps.datasets.doctor import catalogue
from apps.datasets.models import Dataset
from apps.datasets.reading.contracts import Column, ColumnMapping, Question, Reading

CHOICE_PREFIX = "choice:"
LAYOUTS = (
    ("long", "one row for each series and time"),
    ("wide", "a column for each series"),
    ("across", "a column for each time"),
)
RARE = ("layout", "past", "static", "known_at", "timezone", "frequency")
MODES = (
    ("append", "Add its rows; a row for a time that is there corrects it"),
    ("replace", "Replace everything; what was known before stays known for looking back"),
    ("replace_restate", "Replace everything, as if the earlier content had never been true"),
)
ZONES_HELP = "The zone in which the schedule is read, such as Europe/Berlin."


class UploadForm(forms.Form):
    """One file."""

    file = forms.FileField(label="File", max_length=200, error_messages={"empty": "The file is empty."})


class NameForm(forms.Form):
    """What the data set will be called."""

    name = forms.CharField(max_length=120, label="Name")


class MappingForm(forms.Form):
    """Which column plays which part, drawn from a reading; answers to questions are fields too."""

    use_required_attribute = False  # a preview is asked for while something is still missing

    layout = forms.ChoiceField(label="Layout", choices=LAYOUTS)
    time = forms.ChoiceField(label="Time")
    value = forms.ChoiceField(label="Value")
    series = forms.MultipleChoiceField(
        label="Series",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="The column that tells the series apart, or several; none if the file is one series.",
    )
    covariates = forms.MultipleChoiceField(
        label="Known ahead",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Number columns that explain the value and are known for coming steps, such as a price.",
    )
    past = forms.MultipleChoiceField(
        label="Known up to now",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Number columns that are known only once their time has come, such as the weather.",
    )
    static = forms.MultipleChoiceField(
        label="Attributes",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Columns that say the same in all rows of a series, such as its region.",
    )
    known_at = forms.ChoiceField(
        label="Known since",
        required=False,
        help_text="The column that says when each row became known. Backtests then see only what was known.",
    )
    timezone = forms.CharField(
        label="Time zone",
        required=False,
        max_length=60,
        help_text="Of hourly and finer times that were written by local clocks, such as Europe/Berlin.",
    )
    frequency = forms.CharField(
        label="Frequency",
        required=False,
        max_length=20,
        help_text="As it was found. Others: 15min, h, D, B, W-SUN, MS, QS, YS.",
    )
    gap_rule = forms.ChoiceField(label="Fill missing steps with", choices=tuple(catalogue.GAP_RULES.items()))

    def __init__(self, reading: Reading, *, gap_rule: str = "") -> None:
        mapping = reading.mapping or ColumnMapping("", "")
        proposed = gap_rule or (reading.table.gap_rule if reading.table else "season")
        super().__init__(
            initial={
                "time": mapping.time,
                "value": mapping.value,
                "series": list(mapping.series),
                "covariates": list(mapping.covariates),
                "layout": mapping.layout,
                "past": list(mapping.past),
                "static": list(mapping.static),
                "known_at": mapping.known_at,
                "timezone": mapping.timezone,
                "frequency": reading.table.frequency or "" if reading.table else "",
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
        """The fields of the mapping that nearly every file needs, earlier answers among them (hidden)."""
        return [
            field
            for field in self
            if field.name not in RARE and (not field.name.startswith(CHOICE_PREFIX) or field.is_hidden)
        ]

    @property
    def rare_fields(self) -> list[forms.BoundField]:
        """The fields that few files need."""
        return [field for field in self if field.name in RARE]

    def _offer(self, columns: tuple[Column, ...]) -> None:
        labels = [(column.name, _label(column)) for column in columns]
        numeric = [(column.name, column.name) for column in columns if column.kind in ("number", "flag")]
        self._set("time", [("", "choose"), *labels])
        self._set("value", [("", "choose"), *labels])
        self._set("series", [(column.name, column.name) for column in columns])
        self._set("covariates", numeric)
        self._set("past", numeric)
        self._set("static", [(column.name, column.name) for column in columns])
        self._set("known_at", [("", "no column"), *labels])
        if not numeric:
            del self.fields["covariates"]
            del self.fields["past"]

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


class AddForm(UploadForm):
    """A file for a data set that is there."""

    mode = forms.ChoiceField(
        label="What becomes of what is there", choices=MODES, widget=forms.RadioSelect, initial="append"
    )


class SettingsForm(forms.Form):
    """What a data set is called, keeps and expects."""

    name = forms.CharField(max_length=120, label="Name")
    description = forms.CharField(
        required=False, label="Description", widget=forms.Textarea(attrs={"rows": 3})
    )
    keep_versions = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=10_000,
        label="Keep the newest versions",
        help_text="Empty: all of them.",
    )
    keep_days = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=10_000,
        label="Keep versions for days",
        help_text="Empty: for ever. What a model rests on is kept.",
    )
    expectations = forms.JSONField(
        required=False,
        label="Expectations",
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "class": "mono"}),
        help_text='A list, such as [{"name": "Sales are never negative", "kind": "range", "column": "y", "min": 0, "severity": "block"}].',
    )

    @staticmethod
    def initial_of(dataset: Dataset) -> dict[str, Any]:
        """The form's first values."""
        names = ("name", "description", "keep_versions", "keep_days", "expectations")
        return {name: getattr(dataset, name) for name in names}

    def clean_expectations(self) -> Any:
        """None counts as an empty list."""
        return self.cleaned_data["expectations"] or []

    def settings(self) -> dict[str, Any]:
        """The changes for the data set's settings."""
        return {
            name: self.cleaned_data[name] for name in ("name", "description", "keep_versions", "keep_days")
        }


class SourceForm(forms.Form):
    """A source of one kind; its fields are the kind's own."""

    name = forms.CharField(max_length=120, label="Name")

    def __init__(self, kind: str, data: Any = None) -> None:
        super().__init__(data)
        self._own = sources.get(kind).FIELDS
        for each in self._own:
            widget: forms.Widget = forms.TextInput()
            if each.secret:
                widget = forms.PasswordInput(attrs={"autocomplete": "off"})
            elif each.long:
                widget = forms.Textarea(attrs={"rows": 5, "spellcheck": "false"})
            self.fields[each.name] = forms.CharField(
                label=each.label,
                help_text=each.help,
                required=each.required and not each.secret,
                max_length=each.most,
                widget=widget,
            )
        self.fields["mode"] = forms.ChoiceField(
            label="Each fetch",
            choices=(("append", "adds and corrects rows"), ("replace", "replaces everything")),
        )
        self.fields["cron"] = forms.CharField(
            label="Schedule",
            required=False,
            max_length=100,
            help_text="A cron expression, such as 0 6 * * 1 (Mondays at six). Empty: by hand only.",
        )
        self.fields["timezone"] = forms.CharField(
            label="Time zone", initial="UTC", required=False, max_length=60, help_text=ZONES_HELP
        )

    def settings(self) -> dict[str, Any]:
        """What the source is made of."""
        given = self.cleaned_data
        secret = {each.name: given[each.name] for each in self._own if each.secret and given[each.name]}
        return {
            "name": given["name"],
            "config": {each.name: given[each.name] for each in self._own if not each.secret},
            "secret": secret or None,
            "mode": given["mode"],
            "cron": given["cron"],
            "timezone": given["timezone"] or "UTC",
        }


def mapping_of(data: Any) -> ColumnMapping:
    """The mapping in posted or asked values (a ``QueryDict``); of two parts a column keeps the first."""
    time, value, layout = data.get("time", ""), data.get("value", ""), data.get("layout", "long")
    known_at = data.get("known_at", "") if data.get("known_at") != time else ""
    series = tuple(name for name in data.getlist("series") if name not in (time, value))
    used = {time, value, known_at, *series}
    past = tuple(name for name in data.getlist("past") if name not in used)
    static = tuple(name for name in data.getlist("static") if name not in used)
    used |= {*past, *static}
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
        past=past,
        static=static,
        known_at=known_at,
        layout=layout if layout in dict(LAYOUTS) else "long",
        timezone=data.get("timezone", "").strip(),
        choices=choices,
    )
