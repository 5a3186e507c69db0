"""Holidays and events become covariates that are known ahead, and forecasts learn what they do."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from apps.engine import Event, Spec, bundle, calendar, errors, forecast, load_bundle
from apps.engine.panel import Panel
from apps.engine.update import update
from tests.engine import panels

DAYS = np.arange("2021-01-01", "2024-12-01", dtype="datetime64[D]")
FAIRS = ("2021-05-03", "2021-09-14", "2022-03-01", "2022-11-08", "2023-06-20", "2024-02-13", "2024-10-01")


def on(frequency: str | int, length: int, start: str = "2021-01-01", season: int | None = None) -> Panel:
    rng = np.random.default_rng(0)
    plain = panels.build(list(rng.uniform(50, 60, (2, length))), frequency, season)
    if plain.frequency.is_integer:
        return plain
    return replace(plain, ds=np.tile(plain.frequency.range(np.datetime64(start, "s"), length), 2))


def marked(days: np.ndarray, *names: str) -> np.ndarray:
    """Which of the days are among these holidays of Germany; all of them where none is named."""
    import holidays

    known = holidays.country_holidays("DE", years=range(2020, 2026))
    return np.asarray([d in known and (not names or known[d] in names) for d in days.tolist()])


def sales(end: str = "2024-12-01", effect: float = 3.0) -> Panel:
    """Daily sales of three shops with a week, and three times as much on public holidays."""
    rng = np.random.default_rng(1)
    days = DAYS[np.datetime64(end) > DAYS]
    spike = np.where(marked(days), effect, 1.0)
    week = 50 + 10 * np.sin(2 * np.pi * np.arange(len(days)) / 7)
    noise = rng.normal(0, 2, (3, len(DAYS)))[:, : len(days)]
    plain = panels.build(list(week * spike + noise), "D")
    return replace(plain, ds=np.tile(days.astype("datetime64[s]"), 3))


@pytest.fixture(scope="module")
def christmas():
    """Forecasts of December 2023 with the holidays and without, and the truth."""
    truth = sales("2024-01-01").values.reshape(3, -1)[:, -31:]
    names = ("lightgbm_global",)
    spec = Spec(31, candidates=names, effort="fast", forecaster="lightgbm_global", windows=1)
    return (
        truth,
        forecast(sales("2023-12-01"), spec),
        forecast(sales("2023-12-01"), replace(spec, country="DE")),
    )


def test_the_effect_of_holidays_is_learned(christmas):
    truth, without, known = christmas
    feast = marked(np.arange("2023-12-01", "2024-01-01", dtype="datetime64[D]"))
    assert feast.sum() == 2

    def wape(found):
        return np.abs(found.mean - truth)[:, feast].sum() / truth[:, feast].sum()

    assert wape(known) < 0.3
    assert wape(known) < 0.5 * wape(without)


def test_holidays_are_events_of_the_bundle_which_knows_them_for_the_whole_horizon(christmas):
    _, _, known = christmas
    loaded = load_bundle(known.training.bundle)
    assert set(loaded.meta.events) == set(loaded.meta.covariates) >= {"holiday", "Christmas Day"}
    found = loaded.components(None, 31)
    events = found.of("events")
    assert events[0, 24] > 30
    assert abs(events[0, 10]) < 15
    assert np.abs(sum(part.values for part in found.parts) - found.mean).max() < 1e-9 * found.mean.max()
    assert not any("covariate_carried_forward" in flags for flags in known.flags)
    assert any(note.startswith("The holidays of DE are covariates") for note in known.training.notes)


def test_new_points_bring_their_holidays_with_them():
    spec = Spec(
        14,
        effort="fast",
        forecaster="lightgbm_global",
        country="DE",
        windows=1,
        events=(Event("fair", FAIRS),),
    )
    data = forecast(sales("2023-12-12"), spec).training.bundle
    moved = load_bundle(update(data, sales("2023-12-20")))
    future = bundle.unpack(update(data, sales("2023-12-20"))).arrays["future/holiday"]
    assert future[0].tolist() == [0.0] * 5 + [1.0, 1.0] + [0.0] * 5 + [1.0, 0.0]
    assert moved.predict(None, 14).mean[0, 5] > 100


def test_serving_needs_no_list_of_holidays(christmas, tmp_path):
    path = tmp_path / "model.bundle"
    path.write_bytes(christmas[2].training.bundle)
    script = (
        "import sys; from apps.engine import load_bundle; "
        f"load_bundle({str(path)!r}).predict(None, 31, (80,)); print('holidays' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_holiday_has_a_column_when_it_was_there_twice():
    found = calendar.add(on("D", 800), Spec(30, country="DE-BY"))
    assert "All Saints' Day" in found.names
    column = found.panel.known_future["New Year's Day"][:800]
    assert np.flatnonzero(column).tolist() == [0, 365, 730]
    short = calendar.add(on("D", 200), Spec(30, country="DE-BY"))
    assert short.names == ("holiday",)
    assert short.panel.future["holiday"].shape == (2, 30)


def test_a_holiday_counts_for_every_step_of_its_day():
    found = calendar.add(on("h", 24 * 5), Spec(24, country="DE")).panel
    assert found.known_future["holiday"][: 24 * 5].tolist() == [1.0] * 24 + [0.0] * 96


@pytest.mark.parametrize(
    ("frequency", "start", "counts"),
    [
        ("W-SUN", "2021-04-04", [1, 1, 0]),  # Good Friday in the week up to Easter Sunday, then Monday
        ("W-MON", "2021-03-29", [1, 1, 0]),
        ("MS", "2021-01-01", [1, 0, 0, 2]),
        ("ME", "2021-01-31", [1, 0, 0, 2]),
        ("QE", "2021-03-31", [1, 5]),
        ("2D", "2020-12-31", [1, 0, 0]),
    ],
)
def test_longer_steps_count_their_holidays(frequency, start, counts):
    days = on(frequency, 40, start)
    found = calendar.add(days, Spec(3, country="DE"))
    assert found.names == ("holidays",)
    assert found.panel.known_future["holidays"][: len(counts)].tolist() == counts


@pytest.mark.parametrize(("frequency", "words"), [("YS", "yearly data"), (1, "integer time")])
def test_holidays_mean_nothing_where_days_do_not(frequency, words):
    found = calendar.add(on(frequency, 20, "2001-01-01"), Spec(3, country="DE"))
    assert found.names == ()
    assert any(words in note for note in found.notes)


@pytest.mark.parametrize(
    ("frequency", "times", "places"),
    [
        ("D", ("2021-01-03", "2021-01-03T18:00", "2021-01-25"), [2]),
        ("h", ("2021-01-01T05:30",), [5]),
        ("6h", ("2021-01-02",), [4, 5, 6, 7]),
        ("B", ("2021-01-02", "2021-01-04"), [1]),
        (1, (7, 3), [3, 7]),
        (5, (7, 3), [0, 1]),
        ("MS", ("2021-02-03", "2021-02-20"), [1]),
    ],
)
def test_an_event_marks_the_steps_it_happens_in(frequency, times, places):
    found = calendar.add(on(frequency, 20), Spec(6, events=(Event("fair", times),)))
    column = found.panel.known_future["fair"][:20]
    assert np.flatnonzero(column).tolist() == places
    if frequency == "MS":
        assert column[1] == 2.0
    if frequency == "D":
        assert found.panel.future["fair"][0].tolist() == [0, 0, 0, 0, 1, 0]


def test_series_that_end_apart_each_know_their_own_future():
    whole = on("D", 100)
    apart = whole.head(np.asarray([100, 98]))
    found = calendar.add(apart, Spec(4, events=(Event("fair", ("2021-01-05", "2021-04-12")),)))
    assert found.panel.future["fair"].tolist() == [[0, 1, 0, 0], [0, 0, 0, 1]]


def test_a_covariate_that_is_not_known_ahead_hides_no_holiday_from_the_backtest():
    plain = sales("2023-01-01")
    price = np.where(np.arange(len(plain.values)) % 5 == 0, 8.0, 10.0)
    found = forecast(
        replace(plain, known_future={"price": price}),
        Spec(14, effort="fast", forecaster="lightgbm_global", country="DE", windows=2),
    )
    assert any("carry them forward" in note for note in found.training.notes)
    line = found.training.leaderboard[0]
    assert line.name == "lightgbm_global"
    assert load_bundle(found.training.bundle).meta.events[0] == "holiday"


@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"country": "XX"}, "country", "ISO 3166"),
        ({"country": ""}, "country", "ISO 3166"),
        ({"country": 5}, "country", "ISO 3166"),
        ({"country": "DE-ZZ"}, "country", "no subdivision 'ZZ'; known are: BB, BE"),
        ({"events": (Event("fair", ("soon",)),)}, "events", "'soon' cannot be read"),
        ({"events": (Event("fair", (5,)),)}, "events", "5 cannot be read"),
        ({"events": (Event("fair", ("2021-01-01T10:00Z",)),)}, "events", "time zone"),
        ({"events": (Event("fair", ("1999-01-01",)),)}, "events", "none of its times"),
        ({"events": (Event("fair", ()),)}, "events", "0 times"),
        ({"events": (Event("price", ("2021-01-01",)),)}, "events", "a covariate has this name"),
        ({"events": (Event("", ("2021-01-01",)),)}, "events", "needs a name"),
        ({"events": (Event("../x", ("2021-01-01",)),)}, "events", "no '..'"),
        (
            {"events": (Event("a", ("2021-01-01",)), Event("a", ("2021-01-02",)))},
            "events",
            "two events have this name",
        ),
        ({"events": (Event("a", ("2021-01-01",)),) * 2}, "events", "each once"),
        ({"events": (Event("a", "2021-01-01"),)}, "events", "its times must be a list"),
        ({"events": tuple(Event(str(i), ("2021-01-01",)) for i in range(41))}, "events", "40 at most"),
        ({"events": ("fair",)}, "events", "each must be an Event"),
    ],
)
def test_what_cannot_be_used_is_named_with_what_to_do(changed, field, words):
    plain = on("D", 60)
    with pytest.raises(errors.InvalidSpec, match=words.replace("(", r"\(")) as caught:
        calendar.add(replace(plain, known_future={"price": plain.values}), Spec(5, **changed))
    assert caught.value.fields["field"] == field


def test_a_holiday_that_is_named_like_a_covariate_is_told_apart():
    plain = on("D", 60)
    found = calendar.add(replace(plain, known_future={"holiday": plain.values}), Spec(5, country="DE"))
    assert found.names == ("holiday (holiday)",)
