# SPDX-License-Identifier: GPL-2.0
#
# The commands of the project; `make help` lists them. The module itself is described in Kbuild.

PYTHON ?= python3
export SUITE DRIVER DOM0 GUEST_TYPE TESTS XNB_CACHE XNB_REFRESH V DESTDIR

LAB = PYTHONPATH=$(CURDIR) $(PYTHON) -B -m lab
KO = xen_netback_rs.ko

.PHONY: all check demo shell update install uninstall clean clean-cache help

ifdef KDIR
# Against a kernel tree prepared for Rust modules, with this machine's own tools.
all:
	mkdir -p build
	$(MAKE) -C $(KDIR) M=$(CURDIR) MO=$(CURDIR)/build modules
	cp build/$(KO) $(KO)
else
all:
	+@$(LAB) build
endif

check demo shell update clean-cache install uninstall:
	+@$(LAB) $@

clean:
	rm -rf build $(KO)
	+@$(LAB) clean

help:
	@echo 'make              build $(KO) for the kernel of SUITE'
	@echo 'make check        run every test: host tests, static gates, selftests on real Xen in QEMU'
	@echo 'make demo         a guest on a bridge through this driver, from boot to modprobe -r'
	@echo 'make shell        a dom0 to work in, with the module loaded and a guest to start'
	@echo 'make install      install $(KO) for its kernel, and prefer it over xen-netback'
	@echo 'make uninstall    take both back'
	@echo 'make update       ask the Debian mirror for a newer kernel now (otherwise once a day)'
	@echo 'make clean        remove what was built here'
	@echo 'make clean-cache  remove the cache: build root, kernels, images, results'
	@echo
	@echo 'SUITE=trixie-backports  Debian suite whose kernel is used'
	@echo 'DRIVER=xen_netback_rs   driver that check, demo and shell load; xen-netback is the one in C'
	@echo 'DOM0=pv                 how dom0 runs on Xen, pv or pvh; what check, demo and shell boot'
	@echo 'GUEST_TYPE=pv           the same of the guests'
	@echo 'TESTS="loopback/ping"   only these tests'
	@echo 'KDIR=/path              build against this kernel tree with the tools of this machine'
	@echo 'XNB_CACHE=/path         where the set-up is kept, $${XDG_CACHE_HOME:-~/.cache}/xen_netback_rs'
	@echo 'DESTDIR=/path           install below this folder'
	@echo 'V=1                     show the commands and their output'
