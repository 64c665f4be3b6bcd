#!/usr/bin/env python3
"""Holds who may include whom, and which library is named where (docs/ARCHITECTURE.md). Usage: includes.py REPOSITORY"""

import re
import sys
from pathlib import Path

# Folder -> folders of ours that it may include besides itself. A path allows that one header only.
MAY_INCLUDE = {
    "core": set(),
    "sip": {"core"},
    "balancer": {"core", "sip"},
    "dpdk": {"core"},
    "kni": {"core", "dpdk", "sip/stream_framer.hpp"},
    "ha": {"core", "sip/dialog.hpp", "sip/dialog_event.hpp"},
    "app": {"core", "sip", "balancer", "dpdk", "kni", "ha"},
    "bench": {"core", "sip", "balancer", "dpdk", "kni", "ha", "app"},
    "tests": {"core", "sip", "balancer", "dpdk", "kni", "ha", "app", "bench"},
}
FOLDERS = set(MAY_INCLUDE)

# What only some files may name: pattern of an include (or of a name) -> patterns of the files that may.
LIBRARIES = {
    "DPDK": (r"<rte_|<ethdev_", [r"dpdk/", r"kni/", r"bench/", r"tests/unit/(dpdk|kni)/"]),
    "the MySQL connector": (r"<(mysql|cppconn|mysqlx|jdbc)", [r"ha/mysql_"]),
    "SQLite": (r"<sqlite3", [r"ha/sqlite_"]),
    "Prometheus": (r"<prometheus/", [r"app/metric"]),
    "osip": (r"<osip", [r"sip/osip_codec", r"bench/", r"tests/(unit/sip|fuzz)/"]),
    "netlink": (r"<libmnl/|<linux/(rt)?netlink", [r"kni/", r"tests/unit/kni/"]),
    "c-ares": (r"<ares", [r"kni/dns_client"]),
    "TOML": (r"<toml\+\+", [r"app/config"]),
}
# core/ is the standard library and Boost; the logger, and the kernel's files and memory, besides.
CORE_LIBRARIES = re.compile(r"<(boost/|spdlog/|fmt/|[a-z0-9_]+>|sys/(mman|stat|random|types)\.h|fcntl\.h|unistd\.h|arpa/inet\.h|netinet/in\.h|x86intrin\.h|immintrin\.h)")
# No clock, no thread, no socket below app/: bytes and time come in as arguments.
PURE = {"sip", "balancer"}
IMPURE = re.compile(r"<(thread|mutex|condition_variable|future|sys/socket\.h|netinet/|arpa/|unistd\.h|pthread|sys/epoll|poll\.h|boost/asio|iostream|fstream)")
IMPURE_NAMES = re.compile(r"\b(steady_clock|system_clock|high_resolution_clock|clock_gettime|gettimeofday)\b")
# The line that makes a worker of DPDK I/O may name it; so may what starts the data plane.
RTE_NAME = re.compile(r"\brte_[a-z]\w+")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"][^>"]+[>"])', re.MULTILINE)
COMMENT = re.compile(r'//[^\n]*|/\*.*?\*/', re.DOTALL)
STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')


def sources(root: Path):
    for folder in sorted(FOLDERS):
        for pattern in ("*.hpp", "*.cpp", "*.h", "*.inc"):
            yield from sorted((root / folder).rglob(pattern))


def allowed(name: str, patterns: list[str]) -> bool:
    return any(re.match(p, name) for p in patterns)


def check_includes(name: str, folder: str, includes: list[str]):
    for include in includes:
        target = include[1:-1]
        if include[0] == '"':
            head = target.split("/", 1)[0]
            if "/" not in target and folder != "tests":
                yield f'"{target}" is not written from the root of the repository'
            elif head in FOLDERS and head != folder and head not in MAY_INCLUDE[folder] and target not in MAY_INCLUDE[folder]:
                yield f"{folder}/ may not include {head}/ ({target})"
        for library, (pattern, files) in LIBRARIES.items():
            if re.match(pattern, include) and not allowed(name, files):
                yield f"{include} brings {library} here; only {', '.join(files)} may"
        if folder == "core" and include[0] == "<" and not CORE_LIBRARIES.match(include):
            yield f"core/ includes the standard library, Boost and the logger only ({include})"
        if folder in PURE and IMPURE.match(include):
            yield f"{folder}/ knows no sockets, threads or files ({include})"


def check_names(name: str, folder: str, code: str):
    if folder in PURE:
        for match in IMPURE_NAMES.finditer(code):
            yield f"{folder}/ knows no clock ({match.group()})"
    if not allowed(name, LIBRARIES["DPDK"][1]):
        for match in RTE_NAME.finditer(code):
            yield f"names DPDK's {match.group()}"


def cycles() -> list[str]:
    graph = {folder: {target.split("/")[0] for target in targets} for folder, targets in MAY_INCLUDE.items()}
    found = []

    def visit(folder: str, path: list[str]):
        if folder in path:
            found.append(" -> ".join(path[path.index(folder):] + [folder]))
            return
        for target in graph[folder]:
            visit(target, path + [folder])

    for folder in graph:
        visit(folder, [])
    return found


def main(root: Path) -> int:
    complaints = [f"the table has a cycle: {cycle}" for cycle in cycles()]
    count = 0
    for file in sources(root):
        name = file.relative_to(root).as_posix()
        folder = name.split("/", 1)[0]
        text = COMMENT.sub("", file.read_text(errors="replace"))
        count += 1
        complaints += [f"{name}: {c}" for c in check_includes(name, folder, INCLUDE.findall(text))]
        complaints += [f"{name}: {c}" for c in check_names(name, folder, STRING.sub('""', INCLUDE.sub("", text)))]
        if file.suffix == ".hpp" and "#pragma once" not in text:
            complaints.append(f"{name}: no #pragma once")
    print("\n".join(complaints) or f"{count} files keep the rules")
    if count == 0:
        print("no sources found")
    return 1 if complaints or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
