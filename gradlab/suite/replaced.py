"""A table takes the place of one of another grid: that is said, or refused if it is all there is.

The blocks of both stay in NAME.shards, so the same command as before makes the former table again.
One that came without them, from a checkout or a colleague, could not be had back.
"""

import json
from pathlib import Path

from gradlab.errors import UserError
from gradlab.suite import packs, provenance, store


def check(experiment, folder, name, fresh=False):
    """Raise UserError if another grid's table stands there without its blocks, unless `fresh`."""
    said = _before(folder / f"{name}.json")
    what = difference(provenance.asked(experiment), said)
    label = Path(said.get("experiment", experiment.name)).stem
    if what and not fresh and not packs.names(folder / f"{label}.shards"):
        raise UserError(
            f"{folder / name}.parquet holds {said.get('rows')} rows of {what}, whose blocks are "
            "not stored: --name keeps this run apart, --fresh replaces them"
        )


def _before(beside):
    try:
        return store.read_json(beside)
    except (OSError, store.Damaged):
        return {}


def difference(own, said):
    """ "another grid (weight, seed)" where a table has points that one's own lacks; "" where not.

    Both are what NAME.json says of a table.
    """
    own = json.loads(json.dumps(own))
    if "grid" not in own or "grid" not in said:  # of no sweep
        return ""
    if said.get("experiment") != own["experiment"]:
        return f"another experiment ({said.get('experiment')})"
    ours, theirs = own["constants"], said.get("constants", {})
    names = [name for name in ours if name in theirs and ours[name] != theirs[name]]
    products, others = _values(own["grid"]), _values(said["grid"])
    if not all(any(_is_within(one, product) for product in products) for one in others):
        names += [
            axis
            for axis in {**products[0], **others[0]}
            if _all(products, axis) != _all(others, axis)
        ]
        names = names or ["other products"]
    return f"another grid ({', '.join(names)})" if names else ""


def _values(grid):
    return [{axis: {*map(repr, values)} for axis, values in product.items()} for product in grid]


def _is_within(one, product):
    return one.keys() == product.keys() and all(one[axis] <= product[axis] for axis in one)


def _all(products, axis):
    return set().union(*(product.get(axis, ()) for product in products))
