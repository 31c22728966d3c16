# SPDX-License-Identifier: GPL-2.0
"""Debian's package index, asked through apt-get with a configuration and state of its own.

The host's apt tells the mirror and the proxy; nothing else of the host's apt state is read or written. The index is
refreshed once a day, so a warm run needs no network.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import time

from lab import cache, settings
from lab.progress import LabError, Step, say

FALLBACK_MIRROR = "http://deb.debian.org/debian"
MAX_AGE = 24 * 3600
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def need_host_program(program, package):
    if shutil.which(program) or os.path.exists(f"/usr/sbin/{program}"):
        return
    _install_on_host(package)


def keyring():
    if not os.path.exists(KEYRING):
        _install_on_host("debian-archive-keyring")
    return KEYRING


def _install_on_host(package):
    log = cache.place("logs", "host-apt.log")
    with Step(f"installing {package} on this machine", log, f"apt-get install {package}") as step:
        environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        argv = ["apt-get", "-y", "-q", "--no-install-recommends", "install", package]
        if step.run(argv, check=False, env=environment):
            # The machine's own index may be old or empty.
            step.run(["apt-get", "-q", "update"], check=False, env=environment)
            step.run(argv, env=environment)


def mirror():
    """The Debian mirror of the host's apt sources."""
    entries = []
    files = [pathlib.Path("/etc/apt/sources.list"), *sorted(pathlib.Path("/etc/apt/sources.list.d").glob("*"))]
    for path in files:
        if path.suffix == ".list" and path.is_file():
            for line in path.read_text(errors="replace").splitlines():
                match = re.match(r"\s*deb\s+(?:\[[^]]*\]\s+)?(\S+)\s", line)
                if match:
                    entries.append(match[1])
        elif path.suffix == ".sources" and path.is_file():
            for line in path.read_text(errors="replace").splitlines():
                if line.lower().startswith("uris:"):
                    entries += line.split()[1:]
    for uri in entries:
        uri = uri.rstrip("/")
        if re.match(r"https?://", uri) and uri.endswith("/debian"):
            return uri
    return FALLBACK_MIRROR


def _host_options():
    """How the host reaches its mirror: proxies, and whether it checks dates (it may use a snapshot)."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    wanted = re.compile(r'Acquire::(https?::.*|Check-Valid-Until|Check-Date|Retries) ')
    return "".join(line + "\n" for line in dump.splitlines() if wanted.match(line) and not line.endswith('"";'))


def _sources(options=""):
    return "".join(f"deb {options}{mirror()} {suite} main\n" for suite in settings.SUITES)


# From backports only what needs to be new. The compilers must not: they have to be those that built the kernel.
_PREFERENCES = "Package: src:qemu src:seabios src:ipxe\nPin: release n=*-backports\nPin-Priority: 600\n"


def configure(root):
    """Gives a new root the sources, options and index that the lab itself uses."""
    etc = root / "etc/apt"
    (etc / "sources.list").write_text(_sources(), encoding="utf-8")
    for extra in (etc / "sources.list.d").glob("*"):
        extra.unlink()
    (etc / "preferences.d/lab").write_text(_PREFERENCES, encoding="utf-8")
    (etc / "apt.conf.d/lab").write_text(_host_options() + 'APT::Sandbox::User "root";\n', encoding="utf-8")
    lists = root / "var/lib/apt/lists"
    shutil.rmtree(lists)
    shutil.copytree(_state() / "lists", lists)


def _state():
    return cache.place("index", settings.SUITE, "x").parent


def _apt(*argv):
    return ["env", f"APT_CONFIG={_state() / 'apt.conf'}", "LC_ALL=C", *argv]


def _write_state():
    state = _state()
    for name in ("lists/partial", "archives/partial", "parts", "log"):
        (state / name).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    (state / "sources.list").write_text(_sources(f"[signed-by={keyring()}] "), encoding="utf-8")
    (state / "preferences").write_text(_PREFERENCES, encoding="utf-8")
    (state / "apt.conf").write_text(_host_options() + f"""
APT::Architecture "amd64";
APT::Architectures {{ "amd64"; }};
APT::Sandbox::User "root";
APT::Get::List-Cleanup "true";
Acquire::Languages "none";
Acquire::GzipIndexes "false";
Dir "{state}";
Dir::State "{state}";
Dir::State::lists "{state}/lists";
Dir::State::status "{state}/status";
Dir::Cache "{state}";
Dir::Log "{state}/log";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "{state}/parts";
Dir::Etc::sourcelist "{state}/sources.list";
Dir::Etc::sourceparts "{state}/parts";
Dir::Etc::preferences "{state}/preferences";
Dir::Etc::preferencesparts "{state}/parts";
Dir::Etc::trusted "/dev/null";
Dir::Etc::trustedparts "{state}/parts";
""", encoding="utf-8")


def refresh(force=False):
    """Makes sure that there is an index, not older than a day if the mirror can be reached."""
    if not shutil.which("apt-get") or os.uname().machine != "x86_64":
        raise LabError("the lab needs an x86-64 machine with apt (Debian or a relative)")
    stamp = _state() / "stamp"
    with cache.locked("index"):
        age = time.time() - stamp.stat().st_mtime if stamp.exists() else None
        if age is not None and age < MAX_AGE and not force and stamp.read_text() == _sources():
            return
        log = cache.place("logs", "index.log")
        log.unlink(missing_ok=True)
        with Step(f"package index of {' '.join(settings.SUITES)} from {mirror()}", log,
                  "check the network and the mirror in the host's apt sources") as step:
            _write_state()
            failed = step.run(_apt("apt-get", "-q", "update", "--error-on=any"), check=False)
            if failed and age is None:
                raise step.failure("the mirror cannot be read")
        if failed:
            say(f"keeping the index of {int(age // 3600)} h ago: the mirror cannot be read ({log})")
            return
        for old in _state().glob("resolved-*.json"):
            old.unlink()
        stamp.write_text(_sources(), encoding="utf-8")


def resolve(packages, target=None):
    """{name: version} of packages and all that they depend on, as apt would install them into an empty system."""
    known = _state() / f"resolved-{cache.key_of(packages, target, _PREFERENCES)}.json"
    if known.exists():
        return json.loads(known.read_text(encoding="utf-8"))
    with cache.locked("index"):
        argv = _apt("apt-get", "-s", "-q", "--no-install-recommends", *(["-t", target] if target else []), "install", *packages)
        done = subprocess.run(argv, capture_output=True, text=True)
        if done.returncode:
            raise LabError(f"apt cannot resolve {' '.join(packages)} in {' '.join(settings.SUITES)}:\n{done.stdout}{done.stderr}"
                           "try: make update, or another SUITE")
        found = dict(re.findall(r"^Inst (\S+) \((\S+) ", done.stdout, re.M))
        temporary = known.with_suffix(".new")
        temporary.write_text(json.dumps(found, sort_keys=True), encoding="utf-8")
        temporary.replace(known)
    return found


def field(package, version, name):
    """One field of a package's record."""
    done = subprocess.run(_apt("apt-cache", "show", f"{package}={version}"), capture_output=True, text=True)
    match = re.search(rf"^{name}: (.*)$", done.stdout, re.M)
    return match[1] if match else ""


def download_command(packages):
    """apt-get download of {name: version}, into the current directory."""
    return _apt("apt-get", "-q", "download", *(f"{name}={version}" for name, version in packages.items()))
