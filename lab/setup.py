# SPDX-License-Identifier: GPL-2.0
"""The set-up that every command shares: package index, build root, prepared kernel, module."""

from lab import apt, kernel, module, root, settings


def prepare(force_refresh=False):
    """Returns (root, kernel tree); makes what is missing."""
    apt.refresh(force=force_refresh or settings.REFRESH)
    wanted = kernel.Kernel()
    build_root = root.get(wanted)
    return build_root, kernel.get(wanted, build_root)


def build():
    """Returns (root, kernel tree, module), the module built and copied to the top of the checkout."""
    build_root, tree = prepare()
    built = module.Module(build_root, tree)
    built.build()
    built.install_in_checkout()
    return build_root, tree, built


def driver():
    """What boots DRIVER: build root, kernel tree, and the module if DRIVER is ours."""
    if settings.DRIVER != settings.MODULE:
        return *prepare(), None
    build_root, tree, _ = build()
    return build_root, tree, settings.CHECKOUT / module.KO
