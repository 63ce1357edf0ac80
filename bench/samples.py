"""What is installed: archives of a PostgreSQL, a server that has them, and registries that name them."""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

from runner import Run

TOP = Path(__file__).resolve().parent.parent
TARGET = f"{platform.machine()}-unknown-linux-gnu"
SAMPLE = "#!/bin/sh\necho sample 1.0.0\n"
# name: port, and nginx's limit
SERVERS = {"full": (8471, "0"), "20 MB/s": (8472, "20m"), "2 MB/s": (8473, "2m"), "https": (8474, "0")}
# An authority, and a certificate by it.
CERTIFICATES = [
    "openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj '/CN=bench' -keyout ca-key.pem -out ca.pem",
    "openssl req -newkey rsa:2048 -nodes -subj /CN=127.0.0.1 -keyout key.pem -out request.pem",
    "openssl x509 -req -in request.pem -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 3650 "
    "-extfile <(echo subjectAltName=IP:127.0.0.1) -out certificate.pem",
]


def url(rate, file):
    scheme = "https" if rate == "https" else "http"
    return f"{scheme}://127.0.0.1:{SERVERS[rate][0]}/{file}"


def prepare(bench):
    """PostgreSQL 18.4 as zonky builds it, packed as theseus and as zonky pack theirs: `sample-1.0.0`. And `postgres`, the
    newest, with psql where a source has theseus's build."""
    place = TOP / "target/bench-samples"
    if not (place / "complete").exists():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        for spec, home, name in [("postgres@18.4.0+zonky", "zonky", "sample-1.0.0"), ("postgres", "home", "postgres")]:
            bench.ampup("install", spec, home=place / home)
            shutil.copytree((place / home / "active/postgres").resolve(), place / name, symlinks=True,
                            ignore=shutil.ignore_patterns(".receipt.json", ".files.json"))
        executable(place / "sample-1.0.0")
        for script in ["tar czf sample.tar.gz sample-1.0.0", "tar czf postgres.tar.gz postgres",
                       "tar cJf sample.txz -C sample-1.0.0 . && zip -q -0 sample.jar sample.txz",
                       *CERTIFICATES]:
            Run(["bash", "-euc", script], cwd=place)
        (place / "complete").touch()
    return place


def executable(tree):
    (tree / "bin").mkdir(parents=True, exist_ok=True)
    (tree / "bin/sample").write_text(SAMPLE)
    (tree / "bin/sample").chmod(0o755)


def serve(bench, place):
    """An nginx on loopback, at several rates."""
    tls = f"ssl_certificate {place}/certificate.pem; ssl_certificate_key {place}/key.pem;"
    servers = "".join(f"server {{ listen 127.0.0.1:{port}{' ssl' if name == 'https' else ''}; root {place}; "
                      f"limit_rate {limit}; sendfile on; {tls if name == 'https' else ''} }}\n"
                      for name, (port, limit) in SERVERS.items())
    user = "user root;\n" if os.geteuid() == 0 else ""
    configuration = bench.top / "nginx.conf"
    configuration.write_text(f"{user}daemon off; pid {bench.top}/nginx.pid; error_log stderr crit;\n"
                             f"events {{ }}\nhttp {{ access_log off; {servers} }}\n")
    server = subprocess.Popen(["nginx", "-c", configuration, "-p", bench.top], stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    if server.poll() is not None:
        sys.exit("nginx does not start; `apt-get install nginx-light`")
    return server


def digest(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


def artifact(file, form, root, url):
    """The file of a release: its format, its root and where it is had."""
    found = {"target": TARGET, "provider": "bench", "format": form,
             "source": {"kind": "file" if url.startswith("file:") else "https", "url": url},
             "size": file.stat().st_size, "integrity": {"kind": "pinned", "digest": f"sha256:{digest(file)}"}}
    return {**found, "root": root} if root else found


def registry(bench, name, artifacts, versions=("1.0.0",)):
    """A registry with a component for each artifact, and a release of it for each version."""
    document = {"schema": 1, "registry": "bench", "serial": 1, "issued": "2026-01-01T00:00:00Z", "components": {}}
    for component, found in artifacts.items():
        document["components"][component] = {
            "summary": component, "homepage": "https://example.com", "default": {"channel": "stable"}, "group": component,
            "default_install": True, "version_style": "plain", "executables": [component],
            "acceptance": "version",
            "releases": [{"version": version, "channel": "stable", "artifacts": [found]} for version in versions]}
    path = bench.top / f"{name}.json"
    path.write_text(json.dumps(document))
    return path
