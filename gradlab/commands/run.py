"""gradlab run."""

from contextlib import nullcontext

from gradlab.commands import shared
from gradlab.errors import UserError

TEXT = "measure an experiment: table, figure, claims"


def arguments(run):
    """What to run, on which values, how."""
    shared.add_results(run)
    run.add_argument("experiment", metavar="NAME|FILE", nargs="?", help="default: spectral_radius")
    run.add_argument("--all", action="store_true", help="every experiment in turn")
    run.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="other values for an axis or a constant: a=0.5:1.5:21, a=1,2,4 or key=value",
    )
    run.add_argument("--name", metavar="NAME", help="keep this run apart, as DIR/NAME.parquet ...")
    run.add_argument("--quick", action="store_true", help="a small grid, into DIR/quick")
    run.add_argument("--workers", metavar="N", type=shared.positive, help="default: all cores")
    run.add_argument(
        "--cluster", metavar="ADDRESS", help="a Dask scheduler's, tcp://HOST:8786: its workers run"
    )
    run.add_argument("--fresh", action="store_true", help="run blocks again that are stored")
    run.add_argument(
        "--retry-errors", action="store_true", help="run stored blocks again with rows of error"
    )
    run.add_argument(
        "--dry-run", action="store_true", help="say what would run, why and how long; run nothing"
    )


def command(options):
    """Run one experiment, or all."""
    from gradlab.suite import library

    if options.all:
        return _run_all(options)
    return _run_one(options, options.experiment or library.DEFAULT)


def _run_one(options, name):
    from gradlab import runner
    from gradlab.suite import runs, sweep

    experiment = runner.prepare(name, options.quick, shared.values(options))
    folder = runner.place(options.results, options.quick)
    if options.name is not None:
        runs.named(options.name)
    with _workers(options, experiment) as workers:
        how = workers, options.fresh, options.retry_errors
        if options.dry_run:
            print("\n".join(sweep.foretell(experiment, folder, *how)))
            return shared.FINE
        return shared.code(runner.complete(experiment, folder, options.name, *how)[1])


def _workers(options, experiment):
    """For a `with` statement: threads, or the workers of a cluster."""
    from gradlab.suite import cluster

    if options.cluster is None:
        return nullcontext(options.workers)
    if options.workers is not None:
        raise UserError(f"--workers {options.workers} and --cluster: give one of them")
    if experiment.alone and options.all:
        print(f"{experiment.name} times this machine: it runs here")
        return nullcontext()
    if experiment.alone:
        raise UserError(f"{experiment.name} times this machine: it runs here, without --cluster")
    return cluster.connected(options.cluster)


def _run_all(options):
    from gradlab import runner
    from gradlab.suite import library, reproduce, runs

    if options.experiment:
        raise UserError(f"run {options.experiment} --all: a name or --all, not both")
    if options.name:
        raise UserError(f"--all --name {options.name}: a name is one run's")
    if options.dry_run:
        return max(_run_one(options, name) for name in library.names())
    folders = [runner.place(options.results, options.quick)]
    if not options.quick:
        folders.append(runs.reference())
    done = reproduce.in_turn(library.names(), lambda name: _run_one(options, name), folders)
    for name, code in done.items():
        print(f"{name}: {'failed' if code is None else ('ok', 'a claim fell short')[code]}")
    return shared.WRONG_USE if None in done.values() else max(done.values(), default=shared.FINE)
