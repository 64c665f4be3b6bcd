#!/usr/bin/env python3
"""Compiles each header alone, with the flags of its folder, so that none relies on what was included before it.

A header that some source includes before anything else, with no precompiled header, was compiled alone by the build already.

Usage: headers.py REPOSITORY BUILD (the build directory holds compile_commands.json). What it finds is kept there: a second run, which may begin
while the first one is at work, compiles only what has changed since.
"""

import fcntl
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FOLDERS = ("core", "sip", "balancer", "dpdk", "kni", "ha", "app", "bench", "tests")
DROP_WITH_VALUE = {"-o", "-c", "-MF", "-MT", "-MQ"}
DROP = {"-MD", "-MMD", "-g", "-g1", "-flto", "-Winvalid-pch"}


def folder_flags(root: Path, build: Path) -> dict[str, list[str]]:
    """Compiler and flags by folder, from a source that is compiled there; the deepest folder that has one counts."""
    flags: dict[str, list[str]] = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = Path(entry["file"])
        if not source.is_relative_to(root):
            continue
        words = iter(shlex.split(entry["command"]))
        kept = []
        for word in words:
            if word in DROP_WITH_VALUE:
                next(words)
            elif word == "-include":
                # A precompiled header gives what the header under test should include itself, and fits one build only.
                value = next(words)
                kept += [] if "cmake_pch" in value else [word, value]
            elif word not in DROP and not word.startswith("-fsanitize") and not word.endswith("/ccache"):
                kept.append(word)
        flags.setdefault(source.parent.relative_to(root).as_posix(), kept)
    return flags


def flags_for(folder: str, flags: dict[str, list[str]]) -> list[str] | None:
    while folder:
        if folder in flags:
            return flags[folder]
        nested = [value for key, value in sorted(flags.items()) if key.startswith(folder + "/")]
        if nested:
            return nested[0] + [word for one in nested[1:] for word in one if word.startswith("-D") and word not in nested[0]]
        folder = folder.rpartition("/")[0]
    return None


def compiled_by_build(root: Path, build: Path) -> set[str]:
    """Headers of ours that a compiled source includes before anything else; the guard is the one thing that is left to look at."""
    found = set()
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = Path(entry["file"])
        if "cmake_pch" in entry["command"] or not source.is_relative_to(root):
            continue
        first = FIRST_INCLUDE.search(source.read_text(errors="replace"))
        if first and (header := root / first[1]).is_file() and GUARD.search(header.read_text(errors="replace")):
            found.add(first[1])
    return found


FIRST_INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)
GUARD = re.compile(r"^#pragma once$", re.MULTILINE)
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


def fingerprint(root: Path, header: Path, flags: list[str]) -> str:
    """Changes with the header, with what it includes of ours, and with the flags."""
    seen: set[Path] = set()
    pending = [header]
    while pending:
        file = pending.pop()
        if file in seen or not file.is_file():
            continue
        seen.add(file)
        pending += [base / name for name in INCLUDE.findall(file.read_text(errors="replace")) for base in (root, file.parent)]
    digest = hashlib.sha256(repr(flags).encode())
    for file in sorted(seen):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def compile_alone(root: Path, header: Path, flags: list[str]) -> str:
    name = header.relative_to(root).as_posix()
    # Included twice: the guard works too.
    text = f'#include "{name}"\n#include "{name}"\n'
    done = subprocess.run([*flags, f"-I{root}", "-fsyntax-only", "-x", "c++", "-"], input=text, capture_output=True, text=True)
    return "" if done.returncode == 0 else f"{name} does not compile alone:\n{done.stderr[:2000]}"


def main(root: Path, build: Path) -> int:
    flags = folder_flags(root, build)
    headers = [h for folder in FOLDERS for h in sorted((root / folder).rglob("*.hpp"))]
    stamps = build / "headers-alone.json"
    known = json.loads(stamps.read_text()) if stamps.exists() else {}
    built = compiled_by_build(root, build)
    passed, complaints, jobs = {}, [], []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for header in headers:
            name = header.relative_to(root).as_posix()
            if name in built:
                continue
            words = flags_for(header.parent.relative_to(root).as_posix(), flags)
            if words is None:
                complaints.append(f"{name}: no source of its folder is compiled, so its flags are unknown")
                continue
            stamp = fingerprint(root, header, words)
            if known.get(name) == stamp:
                passed[name] = stamp
            else:
                jobs.append((name, stamp, pool.submit(compile_alone, root, header, words)))
        for name, stamp, job in jobs:
            if complaint := job.result():
                complaints.append(complaint)
            else:
                passed[name] = stamp
    stamps.write_text(json.dumps(passed))
    print("\n".join(complaints) or
          f"{len(headers)} headers compile alone ({len(built)} seen by the build; of the others {len(jobs)} new or changed)")
    return 1 if complaints or not headers else 0


if __name__ == "__main__":
    with (Path(sys.argv[2]) / "headers-alone.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sys.exit(main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()))
