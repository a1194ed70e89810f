"""What a log says, in one screen of plain words, as one line, and as a JSON document."""

import textwrap

import numpy as np

from gradlab.watching import thresholds
from gradlab.watching.log import number

WIDTH = 100
LISTED = 5  # spikes and updates that are named
ENOUGH = 0.05  # decades over the whole log, below which a trend is of no account
SPIKE = (
    "at least twice the median of the 101 updates around it, and a robust z-score in log norm "
    "above 3.5 (Iglewicz and Hoaglin 1993)"
)
REDUCTIONS = ("sum", "mean")


def text(watched):
    """The screen: what was read, the numbers, the thresholds and what they mean."""
    log, found = watched.log, watched.found
    lines = textwrap.wrap(_head(log), WIDTH, subsequent_indent="  ")
    for note in _notes(log):
        lines += textwrap.wrap(note, WIDTH, initial_indent="  ", subsequent_indent="  ")
    lines.append("")
    lines += [*_norms(log, found), *_not_finite(log, found), *_spikes(log, found)]
    lines += [*_trend(log, found), "", *_table(watched.thresholds), ""]
    for sentence in watched.advice:
        lines += textwrap.wrap(sentence, WIDTH, subsequent_indent="  ")
    return "\n".join(lines)


def line(watched):
    """The last update and the most of it, in one line."""
    log, found = watched.log, watched.found
    parts = [f"norm {log.norm[-1]:.4g}", f"median {found.median:.4g}", f"P99 {found.p99:.4g}"]
    own = thresholds.used(log, watched.given)
    if own is not None:
        at = f"at {own:g}" if isinstance(own, float) else "at the log's thresholds"
        parts.append(f"clipped {_percent(thresholds.share(log, own))} {at}")
    parts.append(f"spikes {found.spikes.size}")
    lost = found.nan.size + found.inf.size
    return f"update {number(log.update[-1])}: {', '.join(parts)}, not finite {lost}"


def headline(watched):
    """The figure's: what the threshold is."""
    own = thresholds.used(watched.log, watched.given)
    if own is None or not watched.found.finite.any():
        return f"Gradient norms of {watched.log.name}"
    clipped = thresholds.share(watched.log, own)
    which = f"A threshold of {own:.4g}" if isinstance(own, float) else "The log's threshold"
    what = {
        "idle": "clips none of these updates",
        "net": f"is a safety net: it clips {_percent(clipped)} of the updates",
        "between": f"is more than a net: it clips {_percent(clipped)} of the updates",
        "limiter": f"limits every step: it clips {_percent(clipped)} of the updates",
    }
    return f"{which} {what[thresholds.kind(clipped)]}"


def caption(watched):
    """The figure's: of what, and what is marked."""
    return (
        f"{_head(watched.log)}\nspikes: {SPIKE}; rule of thumb: Pascanu, Mikolov, Bengio (ICML "
        "2013); crosses at the top: norms that are nan or inf"
    )


def record(watched):
    """The same for a program; see commands/watch.py."""
    log, found = watched.log, watched.found
    return {
        "name": log.name, "columns": log.names, "run": log.run, "runs": log.runs,
        "notes": list(log.notes), "updates": len(log.norm),
        "first": float(log.update[0]), "last": float(log.update[-1]),
        "median": found.median, "p90": found.p90, "p99": found.p99, "mean": found.mean,
        "largest": found.largest, "largest_update": float(log.update[found.top]),
        "zero": found.zero,
        "not_finite": {name: log.update[getattr(found, name)].tolist() for name in ("nan", "inf")},
        "spikes": [
            {"update": float(log.update[i]), "norm": float(log.norm[i]),
             "times": float(log.norm[i] / found.usual[i])}
            for i in found.spikes.tolist()
        ],
        "trend": found.trend and found.trend._asdict(),
        "thresholds": [row._asdict() for row in watched.thresholds],
        "advice": list(watched.advice),
    }  # fmt: skip


def advice(log, found, given, reduction=None, steps=None):
    """Sentences: what the threshold in use is here, what it holds for, what else is to be seen."""
    own = thresholds.used(log, given)
    said = [_piled(log, found), *(_lost(log, found)), _role(log, found, own)]
    return tuple(filter(None, [*said, _reduction(log, own, reduction, steps), _jump(log, steps)]))


def _head(log):
    count = len(log.norm)
    columns = ", ".join(f"{role}: {name}" for role, name in log.names.items() if role != name)
    told = f" ({columns})" if columns else ""
    if not count:
        return f"{log.name}: no updates yet{told}"
    first, last = number(log.update[0]), number(log.update[-1])
    run = f", run {log.run} of {log.runs}" if log.runs > 1 else ""
    return f"{log.name}{run}: {count:,} update{'s' * (count != 1)}, {first} to {last}{told}"


def _notes(log):
    if log.runs > 1:
        medians = ", ".join(f"{median:.3g}" for median in log.medians[-8:])
        often = "once" if log.runs == 2 else f"{log.runs - 1} times"
        yield f"updates start anew {often}: --run N shows another; medians: {medians}"
    yield from log.notes


def _norms(log, found):
    if not found.finite.any():
        return ["Norm        none is finite"]
    zeros = f"; {found.zero:,} of them are 0" if found.zero else ""
    most = f"largest {found.largest:.4g} at update {number(log.update[found.top])}"
    numbers = f"median {found.median:.4g}, P90 {found.p90:.4g}, P99 {found.p99:.4g}"
    return _hung("Norm", f"{numbers}, mean {found.mean:.4g}, {most}{zeros}")


def _not_finite(log, found):
    lost = [("nan", found.nan), ("inf", found.inf)]
    told = [f"{places.size:,} {word}, first at {_updates(log, places)}" for word, places in lost
            if places.size]  # fmt: skip
    return _hung("Not finite", "; ".join(told) or "none")


def _updates(log, places):
    few = ", ".join(number(update) for update in log.update[places[:LISTED]])
    return f"update{'s' * (places.size > 1)} {few}{', ...' * (places.size > LISTED)}"


def _spikes(log, found):
    if np.isnan(found.usual).all():
        return _hung("Spikes", "not told: fewer than 20 norms are finite and above 0")
    times = log.norm[found.spikes] / found.usual[found.spikes]
    order = np.argsort(-times)[:LISTED]
    losses = log.loss[found.spikes]
    told = [
        f"{number(log.update[found.spikes[i]])} ({log.norm[found.spikes[i]]:.3g}, "
        f"{times[i]:.3g} times the usual{_loss(losses[i])})"
        for i in order
    ]
    count = found.spikes.size
    largest = f", the largest at updates {', '.join(told)}" if count > LISTED else ""
    few = f", at update{'s' * (count > 1)} {', '.join(told)}" if 0 < count <= LISTED else ""
    chance = 6e-4 * found.finite.sum()
    noise = f"; log-normal noise alone would give {chance:,.0f}" if count and chance >= 0.5 else ""
    return [*_hung("Spikes", f"{count:,}{few}{largest}{noise}"), *_hung("", f"spike: {SPIKE}")]


def _loss(loss):
    return f", loss {loss:.3g}" if np.isfinite(loss) else ""


def _trend(log, found):
    if found.trend is None:
        return _hung("Trend", "not told: fewer than 20 norms are finite and above 0")
    slope, low, high = found.trend
    reach = log.update[-1] - log.update[0]
    per = float(10.0 ** np.floor(np.log10(max(reach, 1))))
    sure = low * high > 0 and abs(slope) * reach >= ENOUGH
    word = ("rises" if slope > 0 else "falls") if sure else "none to speak of"
    interval = f"95 %: {low * per:+.2g} to {high * per:+.2g}"
    unit = f"decades in {number(per)} update{'s' * (per != 1)}"
    said = f"{word}: {slope * per:+.2g} {unit} ({interval}; Theil-Sen of log10 norm)"
    return _hung("Trend", said)


def _hung(name, said):
    return textwrap.wrap(
        said, WIDTH, initial_indent=f"{name:12}", subsequent_indent=" " * 12, break_on_hyphens=False
    )


def _table(rows):
    lines = [f"{'Threshold':>12} {'clipped':>10}"]
    for row in rows:
        value = "varies" if np.isnan(row.value) else f"{row.value:.4g}"
        lines.append(f"{value:>12} {_percent(row.clipped):>10}  {row.name}".rstrip())
    return lines if rows else []


def _percent(share):
    if np.isnan(share):
        return "-"
    percent = 100 * share
    if 0 < percent < 0.01 or 99.99 < percent < 100:
        return "< 0.01 %" if percent < 1 else "> 99.99 %"
    return f"{percent:.3g} %" if percent >= 1 else f"{percent:.2g} %"


def _role(log, found, own):
    """What the threshold is here: a safety net, or a limiter of every step."""
    if not found.finite.any():
        return ""
    if found.largest == 0:
        return "Every finite norm is 0: nothing is learnt, whatever the threshold."
    if own is None:
        low, high = thresholds.band(found)
        return (
            f"No threshold is told (--threshold C). One above {found.p99:.3g} (P99) would be a "
            f"safety net that catches spikes; one below {found.median:.3g} (the median) a limiter "
            f"of every other step. The rule of thumb looks for it from {low:.3g} to {high:.3g}; "
            "a mean norm of a clipped training is itself what clipping made it."
        )
    clipped = thresholds.share(log, own)
    which = f"A threshold of {own:.4g}" if isinstance(own, float) else "The log's own threshold"
    hit = log.norm >= np.broadcast_to(own, log.norm.shape)
    caught = int(hit[found.spikes].sum())
    spikes = _caught(caught, found.spikes.size)
    said = {
        "idle": f"{which} does nothing here: no finite norm reaches it"
        f" (largest {found.largest:.3g}).",
        "net": f"{which} is a safety net here: it clips {_percent(clipped)} of the updates"
        f"{f', {spikes} among them' if spikes else ''}, and leaves the other steps as they are.",
        "between": f"{which} is more than a safety net here: it clips {_percent(clipped)} of the "
        f"updates{f', and {spikes}' if spikes else ''}; those steps have the length that it sets.",
        "limiter": f"{which} is a limiter of every step here, not a safety net: it clips "
        f"{_percent(clipped)} of the updates. Most steps of plain SGD have the length rate x "
        "threshold whatever the norm, so that a change of the threshold is a change of the rate"
        f"; a net for spikes would lie above {found.p99:.3g} (P99).",
    }[thresholds.kind(clipped)]
    return f"{said}{_changing(log, own, clipped)}"


def _caught(caught, count):
    """ "3 of the 5 spikes", or nothing where there are none."""
    if not count:
        return ""
    return (
        f"{'all' if caught == count else f'{caught:,} of the'} {count:,} spike{'s' * (count > 1)}"
    )


def _changing(log, own, clipped):
    """Where the first and the last tenth of the updates are of another kind."""
    tenth = len(log.norm) // 10
    if tenth < 20:
        return ""
    parts = [
        log._replace(**{role: getattr(log, role)[cut] for role in ("update", "norm", "threshold")})
        for cut in (slice(tenth), slice(-tenth, None))
    ]
    each = [own if isinstance(own, float) else part.threshold for part in parts]
    first, last = (thresholds.share(part, one) for part, one in zip(parts, each, strict=True))
    kinds = {thresholds.kind(share) for share in (first, last) if not np.isnan(share)}
    if kinds <= {thresholds.kind(clipped)}:
        return ""
    return f" It clips {_percent(first)} of the first tenth and {_percent(last)} of the last."


def _reduction(log, own, reduction, steps):
    """Which reduction of the loss the threshold holds for, and what it is under the other."""
    if reduction is None:
        moved = "the norms, and the threshold that does the same, by the number of steps T"
        return (
            "The log does not say whether its loss is a sum or a mean over the steps (--reduction "
            f"sum or mean): a change from sum to mean divides {moved}; clipping that was a net "
            "then does nothing, and the other way round it limits every step."
        )
    other = REDUCTIONS[reduction == "sum"]
    by = "divided" if reduction == "sum" else "multiplied"
    value = own if isinstance(own, float) else None
    which = f"The threshold {value:.4g}" if value is not None else "A threshold of this log"
    holds = f"{which} holds for a loss that is the {reduction} over the steps"
    if steps is None:
        return (
            f"{holds}; for the {other} it is {by} by the number of steps T, which is not known "
            "here (--steps T)."
        )
    factor = 1 / steps if reduction == "sum" else float(steps)
    if value is None:
        return f"{holds}; for the {other} it is {by} by T = {steps:,}."
    left = thresholds.share(log._replace(norm=log.norm * factor), value)
    return (
        f"{holds}; for the {other} over T = {steps:,} steps the same clipping needs "
        f"{value * factor:.4g} ({by} by T). Left at {value:.4g} it would clip {_percent(left)} "
        f"of the updates instead of {_percent(thresholds.share(log, value))}."
    )


def _jump(log, steps):
    """Where the runs' medians are apart by the number of steps: a change of the reduction?"""
    if steps is None or log.run < 2 or steps < 3:
        return ""
    before, now = log.medians[log.run - 2 : log.run]
    ratio = max(before, now) / min(before, now) if before > 0 and now > 0 else np.nan
    if not 0.7 < ratio / steps < 1.4:
        return ""
    word = "below" if now < before else "above"
    return (
        f"The median norm is {ratio:.3g} times {word} that of the run before, about T = {steps:,}: "
        "did the loss's reduction change?"
    )


def _piled(log, found):
    if not thresholds.is_piled(log, found):
        return ""
    known = log.norm[found.finite]
    many = float((known >= found.largest * (1 - thresholds.SAME)).mean())
    return (
        f"{_percent(many)} of the norms are the largest one, {found.largest:.4g}: they look as if "
        "they were taken after clipping. Log the norm before it (torch.nn.utils.clip_grad_norm_ "
        "returns it); after clipping nobody can tell how much was clipped."
    )


def _lost(log, found):
    lost = found.nan.size + found.inf.size
    if lost:
        yield (
            f"{lost:,} norm{'s are' if lost > 1 else ' is'} not finite: clipping cannot mend "
            f"{'them' if lost > 1 else 'it'} (a factor c/inf is 0, c/nan is nan); skip such "
            "updates, or find the first one's cause, update "
            f"{number(log.update[min([*found.nan, *found.inf])])}."
        )
