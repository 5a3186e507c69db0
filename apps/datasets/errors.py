"""What can be wrong with data sets and uploads."""

from __future__ import annotations

from apps.core.errors import AppError, FieldError, Kind
from apps.datasets.reading.contracts import Problem, Question, Reading


class FileRefused(AppError):
    """The file cannot be read; ``errors`` names the rows."""

    kind = Kind.UNPROCESSABLE
    code = "file_refused"
    title = "The file cannot be read"
    template = "{summary}"


class ChoiceNeeded(AppError):
    """The file can be read in more than one way; ``questions`` are to be answered in ``mapping.choices``."""

    kind = Kind.UNPROCESSABLE
    code = "choice_needed"
    title = "Your choice is needed"
    template = "{summary}"


class FileTooLarge(AppError):
    """More bytes than one upload may have."""

    kind = Kind.TOO_LARGE
    code = "file_too_large"
    title = "The file is too large"
    template = "One upload may have at most {limit_bytes} bytes. Split the file by series or by time."


class FileMissing(AppError):
    """The form or the API call came without a file."""

    kind = Kind.INVALID
    code = "file_missing"
    title = "There is no file"
    template = "Send the file as the multipart field 'file', or name an upload."


class MappingInvalid(AppError):
    """The API's ``mapping`` or one of its siblings is not what it should be."""

    kind = Kind.INVALID
    code = "mapping_invalid"
    title = "The mapping is not valid"
    template = "{reason}"


class NameTaken(AppError):
    """Another data set has the name."""

    kind = Kind.CONFLICT
    code = "dataset_name_taken"
    title = "The name is taken"
    template = "There is already a data set called {name!r}. Choose another name."


class UploadUsed(AppError):
    """An upload becomes a data set once."""

    kind = Kind.CONFLICT
    code = "upload_used"
    title = "The upload was accepted before"
    template = "This upload is already the data set {dataset!r}. Upload the file again to make another."


class TooManyDatasets(AppError):
    """The plan's number of data sets is reached."""

    kind = Kind.PAYMENT_REQUIRED
    code = "too_many_datasets"
    title = "The plan has no room for another data set"
    template = "The plan includes {limit} data sets. Upgrade the plan to add more."


class TooManyRows(AppError):
    """The plan's number of rows is reached."""

    kind = Kind.PAYMENT_REQUIRED
    code = "too_many_rows"
    title = "The plan has no room for that many rows"
    template = (
        "The plan includes {limit} rows; {used} are stored and the file has {rows} more. Upgrade the plan."
    )


class NoRowsLeft(AppError):
    """The plan's number of rows is reached: said before a file comes, whose rows nobody has counted."""

    kind = Kind.PAYMENT_REQUIRED
    code = "too_many_rows"
    title = TooManyRows.title
    template = (
        "The plan includes {limit} rows, and {used} are stored: no row more has room. Upgrade the plan."
    )


class NotTrainable(AppError):
    """The data has no regular grid that a model could be trained on."""

    kind = Kind.UNPROCESSABLE
    code = "dataset_not_trainable"
    title = "No model can be trained on this data"
    template = "{reason}"


class ObservationsInvalid(AppError):
    """Rows of an append that cannot be taken; ``errors`` names each. Nothing was written."""

    kind = Kind.UNPROCESSABLE
    code = "observations_invalid"
    title = "Some observations cannot be taken"
    template = "{count} of the observations are not valid, so none was stored. {first}"


class ExpectationsFailed(AppError):
    """New content that breaks a blocking expectation of the data set; ``errors`` names each. Nothing was written."""

    kind = Kind.UNPROCESSABLE
    code = "expectations_failed"
    title = "The data does not meet what is expected of it"
    template = "{count} blocking expectations fail, so nothing was stored. {first}"


class ExpectationsInvalid(AppError):
    """Expectations that cannot be meant; ``errors`` points at the members."""

    kind = Kind.UNPROCESSABLE
    code = "expectations_invalid"
    title = "The expectations are not valid"
    template = "{first}"


class RecipeInvalid(AppError):
    """Steps of a recipe that cannot be meant; ``errors`` points at them."""

    kind = Kind.UNPROCESSABLE
    code = "recipe_invalid"
    title = "The recipe is not valid"
    template = "{first}"


class RecipeChanged(AppError):
    """Somebody else accepted other fixes in the meantime."""

    kind = Kind.CONFLICT
    code = "recipe_changed"
    title = "The recipe was changed in the meantime"
    template = "The recipe is at number {number} by now. Look at it again, then accept your fixes."


class SourceInvalid(AppError):
    """A source's settings that cannot be meant; ``errors`` points at them."""

    kind = Kind.UNPROCESSABLE
    code = "source_invalid"
    title = "The source is not valid"
    template = "{first}"


class SettingsInvalid(AppError):
    """Settings of a data set that cannot be meant."""

    kind = Kind.UNPROCESSABLE
    code = "settings_invalid"
    title = "The settings are not valid"
    template = "{reason}"


class DatasetInUse(AppError):
    """A data set that others rest on cannot be deleted."""

    kind = Kind.CONFLICT
    code = "dataset_in_use"
    title = "The data set is in use"
    template = "{users} rest on this data set. Delete them first."


class WorkRefused(AppError):
    """Work on the data took more memory or time than one request may use."""

    kind = Kind.UNPROCESSABLE
    code = "too_heavy"
    title = "That is too much for one request"
    template = "{reason} Ask for less at once."


class PresignedUnavailable(AppError):
    """Direct uploads need an object store."""

    kind = Kind.CONFLICT
    code = "presigned_unavailable"
    title = "There is no object store to upload to"
    template = "This installation keeps files in a folder. Send the file to /v1/uploads instead."


class UploadIncomplete(AppError):
    """An announced file that has not come."""

    kind = Kind.CONFLICT
    code = "upload_incomplete"
    title = "The file has not arrived"
    template = "{filename!r} is not in the object store yet. Post it with the form that was given, then complete the upload."


class LineageNotTaken(AppError):
    """The endpoint for lineage refuses an event."""

    kind = Kind.UNPROCESSABLE
    code = "lineage_not_taken"
    title = "The lineage endpoint refused an event"
    template = "The endpoint answered {status}. The operator must check ALMANAC_OPENLINEAGE_URL and its key."


class UploadNotRead(AppError):
    """An upload that a worker still reads."""

    kind = Kind.CONFLICT
    code = "upload_not_read"
    title = "The file is still being read"
    template = "{filename!r} is still being read. Look at the upload again in a few seconds."
    retryable = True


def refusal_of(reading: Reading) -> AppError:
    """The error that says why ``reading`` is not readable."""
    if reading.problems:
        return FileRefused(
            summary=_summary(reading.problems), errors=[_of_problem(item) for item in reading.problems]
        )
    questions = [_as_json(item) for item in reading.questions]
    summary = " ".join(item.message for item in reading.questions)
    return ChoiceNeeded(summary=summary, questions=questions)


def _summary(problems: tuple[Problem, ...]) -> str:
    first = problems[0]
    total = sum(item.count for item in {(item.code, item.column): item for item in problems}.values())
    more = f" ({total:,} faults in all)" if total > 1 else ""
    return f"{first.message}{more} {first.fix}"


def _of_problem(problem: Problem) -> FieldError:
    return FieldError(
        problem.code, f"{problem.message} {problem.fix}", column=problem.column, row=problem.row
    )


def _as_json(question: Question) -> dict[str, object]:
    options = [
        {"value": item.value, "label": item.label, "example": item.example} for item in question.options
    ]
    row = question.rows[0] if question.rows else None
    return {
        "choice": question.key,
        "code": question.code,
        "question": question.message,
        "column": question.column,
        "row": row,
        "options": options,
    }
