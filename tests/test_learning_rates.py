"""`training_map` takes its rates from the table of `learning_rate`, from other seeds."""

from test_experiments import REFERENCE

import adding
import agreement
import pathological
import trainability
from gradlab.suite import library, store
from gradlab.suite.survival import fastest


def test_the_maps_rates_are_the_fastest_of_the_pilot():
    pilot = store.read_table(REFERENCE, "learning_rate")
    grid, used = library.load("training_map").grid, {}
    for part in grid:  # of a length and threshold with two rates the pilot's own comes first
        case = part["sequence_length"][0], part["clip_threshold"][0]
        used.setdefault(case, part["learning_rate"][0])
    assert used == fastest(pilot, "learning_rate", ["sequence_length", "clip_threshold"])
    seeds = {seed for part in grid for seed in part["seed"]}
    assert not seeds & set(pilot.seed)


def test_addings_rates_are_the_fastest_of_its_own_pilot():
    table = store.read_table(REFERENCE, "adding")
    pilot = adding.trainings(table[table.seed.isin(adding.PILOT)])
    best = fastest(pilot, "learning_rate", ["start", "sequence_length"])
    used = {
        (name, length): rate
        for name, rates in adding.RATES.items()
        for length, rate in zip(adding.LENGTHS, rates, strict=False)
    }
    assert used == best
    reported = adding.reported(table)
    assert not {*reported.seed} & {*adding.PILOT} and reported.seed.nunique() == 10


def test_trainabilitys_rates_are_the_fastest_of_its_own_pilot():
    table = store.read_table(REFERENCE, "trainability")
    pilot = table[table.seed.isin(trainability.PILOT)]
    columns = list(trainability.COLUMNS[:4])
    used = {
        (*values[:4], length): trainability.of(name, length)["learning_rate"]
        for name, values in trainability.STARTS.items()
        for length in (30, 50)
    }
    assert used == fastest(pilot, "learning_rate", [*columns, "sequence_length"])


def test_agreements_rates_are_the_fastest_of_its_own_pilot():
    table = store.read_table(REFERENCE, "agreement")
    pilot = table[table.seed.isin(agreement.PILOT)]
    assert set(pilot.learning_rate) == {*agreement.TRIED} and set(pilot.between) == {12}
    best = fastest(pilot, "learning_rate", ["cell"])
    assert {(cell,): rate for cell, rate in agreement.RATES.items()} == best


def test_pathologicals_rates_are_the_fastest_of_its_own_pilot():
    table = store.read_table(REFERENCE, "pathological")
    pilot = table[table.seed.isin(pathological.PILOT)]
    assert set(pilot.learning_rate) == {*pathological.TRIED}
    best = fastest(pilot, "learning_rate", ["task", "method", "sequence_length"])
    used = {
        (*case, length): rate
        for case, rates in pathological.RATES.items()
        for length, rate in zip(pathological.LENGTHS, rates, strict=True)
    }
    assert used == best
