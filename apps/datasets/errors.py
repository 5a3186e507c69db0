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
    template = "Send the CSV file as the multipart field 'file'."


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
    template = "The plan includes {limit} rows, and {used} are stored: no row more has room. Upgrade the plan."


class NotTrainable(AppError):
    """The data has no regular grid that a model could be trained on."""

    kind = Kind.UNPROCESSABLE
    code = "dataset_not_trainable"
    title = "No model can be trained on this data"
    template = "{reason}"


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
