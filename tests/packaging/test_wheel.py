"""What is packed: one wheel that brings console and nodes' helper and stays light without the server; the sandbox in
another, which needs nothing of the first."""

import importlib.metadata
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
SITE_PACKAGES = Path(sysconfig.get_path("purelib"))
WRITTEN = (".gitignore", "LICENSE", "README.md", "hatch_build.py", "pyproject.toml", "node", "sandbox", "src")
PAGE = "<!doctype html><title>A console that was built</title>"
SCRIPT = "export {};\n"

SERVES = """
import asyncio, sys, httpx, sublet
from pathlib import Path
from sublet.core.db import Database
from sublet.core.settings import Settings
from sublet.entry.web import create_app

async def get(path):
    app = create_app(Settings(currency="USD"), database=Database("postgresql://nobody@localhost/none"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8000") as client:
        return (await client.get(path)).raise_for_status().content

assert sublet.__file__.startswith(sys.argv[1]), sublet.__file__
Path(sys.argv[3]).write_bytes(asyncio.run(get(sys.argv[2])))
"""

IMPORTS = """
import importlib, pkgutil, sys

for package in map(importlib.import_module, sys.argv[1:]):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
            print(module.name)
"""


def run(*command: str, path: tuple[Path, ...] = (), cwd: Path = Path("/")) -> subprocess.CompletedProcess[bytes]:
    """Run a Python away from the checkout; it sees what `path` names and nothing else that was installed."""
    environment = {"PYTHONPATH": ":".join(map(str, path)), "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8"}
    arguments = (sys.executable, *(("-S",) if path else ()), *command)
    environment |= {"SUBLET_DATA_DIR": str(cwd / "data"), "HOME": str(cwd), "PATH": "/usr/bin:/bin"}
    return subprocess.run(arguments, cwd=cwd, env=environment, capture_output=True, check=False, timeout=60)


def printed(done: subprocess.CompletedProcess[bytes]) -> bytes:
    """What a command that must succeed printed."""
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def build(project: Path, target: str, directory: Path) -> Path:
    """Build a wheel or an sdist of a project, without a network."""
    printed(run("-m", "hatchling", "build", "-t", target, "-d", str(directory), cwd=project))
    (built,) = directory.iterdir()
    return built


def install(wheel: Path, directory: Path) -> None:
    """Install a wheel and nothing that it needs."""
    options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", "--no-compile")
    printed(run("-m", "pip", "install", *options, "--target", str(directory), str(wheel), cwd=wheel.parent))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources as they are in a checkout, with no console built."""
    project = tmp_path_factory.mktemp("project")
    for name in WRITTEN:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, project / name, ignore=shutil.ignore_patterns("__pycache__", "dist"))
        else:
            shutil.copy(source, project / name)
    return project


@pytest.fixture(scope="module")
def built_project(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a console."""
    built = tmp_path_factory.mktemp("built") / "project"
    shutil.copytree(project, built)
    (built / "console" / "dist" / "assets").mkdir(parents=True)
    (built / "console" / "dist" / "index.html").write_text(PAGE)
    (built / "console" / "dist" / "assets" / "index-1a2b.js").write_text(SCRIPT)
    return built


@pytest.fixture(scope="module")
def wheel(built_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel."""
    return build(built_project, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the wheel is installed."""
    directory = tmp_path_factory.mktemp("installed") / "site-packages"
    install(wheel, directory)
    return directory


@pytest.fixture(scope="module")
def sandbox_wheel(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sandbox's wheel."""
    return build(project / "sandbox", "wheel", tmp_path_factory.mktemp("sandbox-wheel"))


@pytest.fixture(scope="module")
def installed_sandbox(sandbox_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where that is installed."""
    directory = tmp_path_factory.mktemp("installed-sandbox") / "site-packages"
    install(sandbox_wheel, directory)
    return directory


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `pip install sublet` brings along, and nothing else."""
    directory = tmp_path_factory.mktemp("light")
    for name in required("sublet"):
        for file in importlib.metadata.files(name) or []:
            top = file.parts[0]
            if top not in {"..", "__pycache__"} and not (directory / top).exists():
                (directory / top).symlink_to(SITE_PACKAGES / top)
    return directory


def required(name: str) -> set[str]:
    """The distributions that one needs without any extra, and those that they need."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for line in importlib.metadata.requires(waiting.pop()) or []:
            requirement = Requirement(line)
            wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if wanted and requirement.name not in found:
                found.add(requirement.name)
                waiting.append(requirement.name)
    return found


def _is_of(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def served(installed: Path, path: str, directory: Path) -> bytes:
    """What the server answers when it is installed from the wheel, with what it needs beside it."""
    command = ("-c", SERVES, str(installed), path, str(directory / "answer"))
    printed(run(*command, path=(installed, SITE_PACKAGES), cwd=directory))
    return (directory / "answer").read_bytes()


class TestServer:
    def test_serves_the_console_that_the_wheel_brings(self, installed: Path, tmp_path: Path) -> None:
        assert served(installed, "/", tmp_path).decode() == PAGE
        assert served(installed, "/assets/index-1a2b.js", tmp_path).decode() == SCRIPT

    def test_serves_the_node_helper_with_the_bytes_of_a_checkout(self, installed: Path, tmp_path: Path) -> None:
        printed(run(str(ROOT / "node" / "build.py"), str(tmp_path / "built.pyz"), cwd=tmp_path))
        assert served(installed, "/node/sublet-node.pyz", tmp_path) == (tmp_path / "built.pyz").read_bytes()

    def test_finds_every_step_of_the_schema(self, installed: Path) -> None:
        for place in ("migrations/versions", "ledger/sql"):
            source = ROOT / "src" / "sublet" / place
            written = {file.name for file in source.iterdir() if file.is_file()}
            assert written
            assert {file.name for file in (installed / "sublet" / place).iterdir()} == written

    def test_is_without_the_sandbox(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as packed:
            names = packed.namelist()
        assert "sublet/supervisor/up.py" in names
        assert not [name for name in names if "sandbox" in name or "stripe/pages" in name]

    @pytest.mark.parametrize("command", [("up",), ("demo", "info"), ("demo", "delete")])
    def test_serves_without_the_sandbox_and_says_what_a_demo_lacks(
        self, command: tuple[str, ...], installed: Path, tmp_path: Path
    ) -> None:
        path = (installed, SITE_PACKAGES)
        assert printed(run("-c", "import sublet.entry.web, sublet.entry.worker", path=path, cwd=tmp_path)) == b""
        done = run("-m", "sublet.cli", *command, path=path, cwd=tmp_path)
        if command == ("demo", "info"):  # reads a file
            assert done.stderr.decode().startswith("No demo has run")
            return
        assert done.returncode == 1
        (said,) = done.stderr.decode().splitlines()
        assert f"`sublet {' '.join(command)}` needs the module sublet_sandbox" in said
        assert said.endswith("pip install 'sublet[demo]'")


class TestSandbox:
    def test_brings_every_file_and_needs_nothing_of_sublet(self, installed_sandbox: Path, tmp_path: Path) -> None:
        source = ROOT / "sandbox" / "sublet_sandbox"
        written = {str(file.relative_to(source)) for file in source.rglob("*") if file.is_file()}
        packed = installed_sandbox / "sublet_sandbox"
        there = {str(file.relative_to(packed)) for file in packed.rglob("*") if file.is_file()}
        assert there == {name for name in written if "__pycache__" not in name}
        path = (installed_sandbox, SITE_PACKAGES)
        missing = run("-c", "import sublet", path=path, cwd=tmp_path)
        assert b"No module named 'sublet'" in missing.stderr
        names = printed(run("-c", IMPORTS, "sublet_sandbox", path=path, cwd=tmp_path)).decode().split()
        assert {"sublet_sandbox.stripe.app", "sublet_sandbox.nodes.systemd"} <= set(names)
        assert b"--webhook-url" in printed(run("-m", "sublet_sandbox.stripe", "--help", path=path, cwd=tmp_path))

    def test_is_what_the_extra_of_the_demo_names(self) -> None:
        requirements = [Requirement(line) for line in importlib.metadata.requires("sublet") or []]
        named = {
            extra: {str(one.specifier) for one in requirements if one.name == "sublet-sandbox" and _is_of(one, extra)}
            for extra in ("", "server", "demo")
        }
        assert named == {"": set(), "server": set(), "demo": {f"=={importlib.metadata.version('sublet-sandbox')}"}}

    def test_runs_a_demo_beside_the_server(self, installed: Path, installed_sandbox: Path, tmp_path: Path) -> None:
        path = (installed, installed_sandbox, SITE_PACKAGES)
        assert b"--no-demo" in printed(run("-m", "sublet.cli", "up", "--help", path=path, cwd=tmp_path))


class TestClient:
    def test_imports_with_nothing_of_the_server(self, installed: Path, light: Path, tmp_path: Path) -> None:
        assert not [name for name in ("fastapi", "psycopg", "pydantic", "sqlalchemy") if (light / name).exists()]
        names = (
            printed(run("-c", IMPORTS, "sublet.cli", "sublet.client", path=(installed, light), cwd=tmp_path))
            .decode()
            .split()
        )
        assert {"sublet.cli.main", "sublet.client.client"} <= set(names)

    def test_without_the_server_says_how_to_install_it(self, installed: Path, light: Path, tmp_path: Path) -> None:
        done = run("-m", "sublet.cli", "migrate", path=(installed, light), cwd=tmp_path)
        assert done.returncode == 1
        assert "pip install 'sublet[" in done.stderr.decode()


class TestBuild:
    def test_without_a_console_is_refused_with_what_to_do(self, project: Path, tmp_path: Path) -> None:
        for target in ("wheel", "sdist"):
            done = run("-m", "hatchling", "build", "-t", target, "-d", str(tmp_path), cwd=project)
            assert done.returncode == 1
            assert done.stderr.decode().splitlines() == [
                "The console is not built, so nothing was packed. Run `make console` first."
            ]
        assert list(tmp_path.iterdir()) == []

    def test_of_an_editable_install_needs_no_console(self, project: Path, tmp_path: Path) -> None:
        options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", "--no-build-isolation")
        target = tmp_path / "editable"
        printed(
            run("-m", "pip", "install", *options, "--target", str(target), "--editable", str(project), cwd=tmp_path)
        )
        assert str(project / "src") in "".join(file.read_text() for file in target.glob("*.pth"))

    def test_from_the_source_distribution_gives_the_same_wheel(
        self, built_project: Path, wheel: Path, tmp_path: Path
    ) -> None:
        packed = build(built_project, "sdist", tmp_path / "sdist")
        (tmp_path / "unpacked").mkdir()
        subprocess.run(["tar", "-xf", str(packed), "-C", str(tmp_path / "unpacked")], check=True)
        (unpacked,) = (tmp_path / "unpacked").iterdir()
        again = build(unpacked, "wheel", tmp_path / "again")
        with zipfile.ZipFile(again) as one, zipfile.ZipFile(wheel) as other:
            assert one.namelist() == other.namelist()
        assert again.read_bytes() == wheel.read_bytes()
