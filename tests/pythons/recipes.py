# SPDX-License-Identifier: MIT
"""
How the Pythons are made that a Debian 12 does not have: each recipe makes one folder of the cache, out of Debian's own
packages. A recipe builds under a temporary name and renames at the end: a folder that is there is complete. The folder
keeps the recipe's text; when that changes, it is made anew.
"""

import glob
import os
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from support import pythons  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
EMBED = os.path.join(HERE, "embed.c")


class Failed(Exception):
    """Why a recipe cannot be followed here; for people."""


class CommandFailed(Failed):
    """A command did not do its work: the network may, next time."""


def run(argv, log, limit_s, cwd=None, env=None):
    """Runs it with its output in the log, in a process group of its own that is ended when it takes too long."""
    with open(log, "ab") as f:
        f.write(("$ %s\n" % " ".join(argv)).encode())
        f.flush()
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=f, stderr=subprocess.STDOUT, cwd=cwd,
                                 env=dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C.UTF-8", **(env or {})),
                                 start_new_session=True)
        try:
            status = child.wait(limit_s)
        except subprocess.TimeoutExpired:
            status = "none: it took longer than %d s" % limit_s
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
    if status != 0:
        with open(log, encoding="utf-8", errors="replace") as f:
            last = f.read().strip().splitlines()[-8:]
        raise CommandFailed("%s: exit status %s\n    %s\n  (all of it: %s)" % (argv[0], status, "\n    ".join(last), log))


def need(*tools):
    missing = [t for t in tools if not shutil.which(t, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")]
    if missing:
        raise Failed("this machine has no %s (build/install test installs it)" % ", ".join(missing))


def mirror(log):
    """Where this machine's apt gets Debian from."""
    site = known_mirror()
    if not site and os.geteuid() == 0:
        run(["apt-get", "--error-on=any", "update"], log, 300)  # a fresh machine's apt does not know yet what is there
        site = known_mirror()
    if not site:
        raise Failed("apt knows no Debian mirror (apt-get update was never run, or this is no Debian)")
    return site


def known_mirror():
    shown = subprocess.run(["apt-get", "indextargets", "--format", "$(ORIGIN) $(COMPONENT) $(SITE)", "Created-By: Packages"],
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    for line in shown.stdout.splitlines():
        origin, component, site = (line.split(" ") + ["", ""])[:3]
        if origin == "Debian" and component == "main" and site:
            return site
    return None


def link_embedded(libraries, output):
    """embed.c against a libpython, which may need a younger libc than this machine has."""
    os.makedirs(os.path.dirname(output), exist_ok=True)
    libpython, = glob.glob(libraries)
    subprocess.run(["gcc", "-O2", "-g", "-o", output, EMBED, libpython, "-Wl,--unresolved-symbols=ignore-in-shared-libs"],
                   check=True)


class Root:
    """A Debian of another suite, with Pythons in it, for chroot."""

    limit_s = 900

    def __init__(self, suite, packages):
        self.name = "root-" + suite
        self.suite = suite
        self.packages = packages

    def text(self):
        with open(EMBED, encoding="utf-8") as f:
            return "\n".join([self.suite, *self.packages, f.read()])

    def make(self, folder, log):
        if os.geteuid():
            raise Failed("debootstrap needs root")
        need("debootstrap", "gcc", "unshare")
        scripts = "/usr/share/debootstrap/scripts"
        script = next(os.path.join(scripts, s) for s in (self.suite, "sid") if os.path.exists(os.path.join(scripts, s)))
        run(["debootstrap", "--variant=minbase", "--include=" + ",".join(self.packages), self.suite, folder, mirror(log), script],
            log, self.limit_s)
        for waste in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"):
            shutil.rmtree(os.path.join(folder, waste), ignore_errors=True)
        for package in self.packages:
            if package.startswith("libpython"):
                version = package[len("libpython"):]
                link_embedded("%s/usr/lib/x86_64-linux-gnu/libpython%s.so.*.0" % (folder, version),
                              os.path.join(folder, "opt/embedded/python" + version))


class Embedded:
    """embed.c for a libpython of this machine."""

    def __init__(self, version):
        self.name = "embedded-" + version
        self.version = version

    def text(self):
        with open(EMBED, encoding="utf-8") as f:
            return f.read()

    def make(self, folder, _log):
        need("gcc")
        libraries = "/usr/lib/x86_64-linux-gnu/libpython%s.so.*.0" % self.version
        if not glob.glob(libraries):
            raise Failed("this machine has no libpython%s (build/install test installs it)" % self.version)
        link_embedded(libraries, os.path.join(folder, "python" + self.version))


class FreeThreaded:
    """Debian has no free-threaded build; this one is made from its source package, for this machine."""

    name = "python3.13t"
    source = "python3.13"
    suite = "trixie"
    limit_s = 1200

    def text(self):
        return "%s %s --disable-gil, stripped of tests" % (self.source, self.suite)

    def make(self, folder, log):
        need("gcc", "make", "xz")
        if not os.path.exists("/usr/include/x86_64-linux-gnu/ffi.h"):
            raise Failed("this machine has no libffi-dev (build/install test installs it)")
        work = folder + ".work"
        shutil.rmtree(work, ignore_errors=True)
        try:
            self._download(work, log)
            self._build(work, folder, log)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _download(self, work, log):
        """By apt, with settings and state of its own: this machine's stay what they are."""
        for needed in ("state/lists/partial", "cache/archives/partial", "etc"):
            os.makedirs(os.path.join(work, needed))
        with open(os.path.join(work, "etc/sources.list"), "w", encoding="utf-8") as f:
            f.write("deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n" % (mirror(log), self.suite))
        own = ["-o", "Dir::State=" + work + "/state", "-o", "Dir::Cache=" + work + "/cache",
               "-o", "Dir::Etc::SourceList=" + work + "/etc/sources.list", "-o", "Dir::Etc::SourceParts=/dev/null",
               "-o", "Acquire::Check-Valid-Until=false", "-o", "APT::Sandbox::User=root"]
        run(["apt-get", *own, "--error-on=any", "update"], log, 300, cwd=work)
        run(["apt-get", *own, "source", "--download-only", self.source], log, 300, cwd=work)
        tarball, = glob.glob(os.path.join(work, self.source + "_*.orig.tar.xz"))
        os.mkdir(os.path.join(work, "source"))
        run(["tar", "-C", os.path.join(work, "source"), "--strip-components=1", "-xf", tarball], log, 120)

    def _build(self, work, folder, log):
        source = os.path.join(work, "source")
        cores = str(len(os.sched_getaffinity(0)))
        run(["./configure", "--disable-gil", "--disable-test-modules", "--without-ensurepip", "--prefix=" + folder], log, 300,
            cwd=source)
        run(["make", "-s", "-j", cores], log, self.limit_s, cwd=source)
        run(["make", "-s", "altinstall"], log, 300, cwd=source)
        library = os.path.join(folder, "lib/python3.13t")
        for waste in ["share", "include", "lib/pkgconfig"]:
            shutil.rmtree(os.path.join(folder, waste), ignore_errors=True)
        for waste in ["test", "idlelib", "tkinter", "turtledemo", "ensurepip", "pydoc_data", *glob.glob(library + "/config-*")]:
            shutil.rmtree(os.path.join(library, waste), ignore_errors=True)
        for archive in glob.glob(os.path.join(folder, "lib/*.a")):
            os.unlink(archive)
        shown = subprocess.run([os.path.join(folder, "bin/python3.13t"), "-c",
                                "import ctypes, sys; assert not sys._is_gil_enabled()"], check=False)
        if shown.returncode:
            raise Failed("what was built has a GIL, or no ctypes; all of it: " + log)


def all_recipes():
    """The slowest first; the others need the network more than the processor."""
    return [
        FreeThreaded(),
        Root("forky", ["python3.13", "python3.14", "python3.14-dbg", "libpython3.14",
                       "python3.15", "python3.15-dbg", "libpython3.15", "python3-trio"]),
        Root("trixie", ["python3.13", "python3.13-dbg", "libpython3.13", "python3-trio"]),
        Root("bullseye", ["python3.9", "python3.9-dbg"]),
        Embedded("3.11"),
    ]


def is_made(recipe):
    try:
        with open(os.path.join(pythons.cache(), recipe.name, ".recipe"), encoding="utf-8") as f:
            return f.read() == recipe.text()
    except OSError:
        return False


def remove(path):
    subprocess.run(["rm", "-rf", "--one-file-system", "--", path], check=True)


def remove_old():
    """What was made by recipes that there are no more, and what was left half made."""
    known = {recipe.name for recipe in all_recipes()}
    for pattern in ("root-*", "embedded-*", "python3.*", ".making-*"):
        for path in glob.glob(os.path.join(pythons.cache(), pattern)):
            name = os.path.basename(path)
            if name not in known and name not in {n + ".log" for n in known}:
                remove(path)


def follow(recipe):
    """Makes the recipe's folder, at the second attempt where a command failed at first; raises Failed."""
    log = os.path.join(pythons.cache(), recipe.name + ".log")
    with open(log, "wb"):
        pass
    try:
        follow_once(recipe, log)
    except CommandFailed:
        follow_once(recipe, log)
    os.unlink(log)


def follow_once(recipe, log):
    final = os.path.join(pythons.cache(), recipe.name)
    made = os.path.join(pythons.cache(), ".making-" + recipe.name)
    remove(made)
    remove(final)
    try:
        os.mkdir(made)
        recipe.make(made, log)
        with open(os.path.join(made, ".recipe"), "w", encoding="utf-8") as f:
            f.write(recipe.text())
        os.rename(made, final)
    finally:
        remove(made)
