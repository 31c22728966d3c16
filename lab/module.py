# SPDX-License-Identifier: GPL-2.0
"""Builds xen_netback_rs.ko in the root, against the prepared kernel tree, with the output outside the checkout."""

import filecmp
import os
import shutil

from lab import cache, root, settings
from lab.progress import LabError, Step

KO = settings.MODULE + ".ko"


class Module:
    def __init__(self, build_root, tree):
        self.root, self.tree = build_root, tree
        self.key = cache.key_of(str(settings.CHECKOUT), str(tree.path), str(build_root.path))

    def output(self, flavour):
        return cache.place("build", self.key, flavour)

    def binds(self, output):
        return [(settings.CHECKOUT, root.SRC, "ro"), (self.tree.path, root.KERNEL, "ro"), (output, root.OBJ, "rw")]

    def build(self, flavour="module", variables=(), check=True, fresh=False):
        """Makes the module; flavour names the output folder (clippy has one of its own). fresh starts from nothing, so
        that the log has every warning. Returns (status, log)."""
        if not (settings.CHECKOUT / "Kbuild").exists():
            raise LabError(f"{settings.CHECKOUT}/Kbuild is missing: nothing to build")
        output = self.output(flavour)
        log = output.parent / f"{flavour}.log"
        with cache.locked(f"build-{self.key}-{flavour}"):
            log.unlink(missing_ok=True)
            if fresh and output.exists():
                cache.remove_tree(output)
            output.mkdir(parents=True, exist_ok=True)
            (output.parent / "checkout").write_text(str(settings.CHECKOUT), encoding="utf-8")  # for make clean
            make = self.tree.make(f"M={root.SRC}", f"MO={root.OBJ}", *variables, "modules")
            with Step(f"building {KO} for {self.tree.release}" + (f" ({flavour})" if flavour != "module" else ""), log,
                      "fix the source and run the same command again; V=1 shows the commands") as step:
                if settings.VERBOSE:
                    make.append("V=1")
                status = step.run(self.root.command(make, self.binds(output)), check=check)
        return status, log

    def install_in_checkout(self):
        """Copies the module to the top of the checkout, if it changed."""
        source, target = self.output("module") / KO, settings.CHECKOUT / KO
        if not target.exists() or not filecmp.cmp(source, target, shallow=False):
            temporary = target.with_name(f".{KO}.{os.getpid()}")
            shutil.copyfile(source, temporary)
            os.replace(temporary, target)
        return target
