"""Modules that load when one of their names is first used.

seaborn and matplotlib take a second to load; a sweep's kernels run meanwhile.
"""

from importlib import import_module


class Late:
    """Stands for a module until it is needed: `sns = Late("seaborn")`, then `sns.lineplot`."""

    def __init__(self, module):
        self._module = module

    def __getattr__(self, name):
        return getattr(import_module(self._module), name)
