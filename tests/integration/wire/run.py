"""Plays the conformance table against any server that speaks HTTP/2 in clear text, and says what it does otherwise.

    python -m tests.integration.wire.run 127.0.0.1:8080 --path /index.html --big /big.bin
    PYTHONPATH=gen:tests/protos python -m tests.integration.wire.run 127.0.0.1:8080 --grpc

With `--grpc` the probe service of the tests is asked, with `--gateway` also for what only our gateway promises. Exits
with 1 when a case failed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter

from tests.integration.wire.cases import CASES
from tests.integration.wire.place import Inapplicable, Place, plain_place
from tests.integration.wire.play import PATIENCE, Deviates, play


async def run(place: Place, wanted: str, patience: float, *, loud: bool) -> int:
    """Play the cases whose rule or name holds `wanted`; return how many failed."""
    passed: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    skipped = 0
    for case in CASES:
        if wanted not in f"{case.rule} {case.name}":
            continue
        if (case.gateway and not place.gateway) or not case.needs.issubset(place.asks):
            skipped += 1
            continue
        try:
            await play(case, place, patience)
        except Inapplicable:
            skipped += 1
        except (Deviates, TimeoutError) as error:
            failed[case.rule] += 1
            print(f"FAILED  {case.rule}: {case.name}\n        {str(error) or 'the server does not read'}")
        else:
            passed[case.rule] += 1
            if loud:
                print(f"passed  {case.rule}: {case.name}")
    print(f"{'section':<12} passed failed")
    for rule in dict.fromkeys(case.rule for case in CASES):
        if passed[rule] or failed[rule]:
            print(f"{rule:<12} {passed[rule]:>6} {failed[rule] or '':>6}")
    print(f"{'all':<12} {passed.total():>6} {failed.total():>6}   skipped {skipped}")
    return failed.total()


def main() -> int:
    """Read the command line and play."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", metavar="HOST:PORT", help="where the server listens, in clear text")
    parser.add_argument("--path", default="/", help="a path that is answered with some octets; default /")
    parser.add_argument("--big", default="", help="a path that is answered with 200,000 octets; default: no such cases")
    parser.add_argument("--grpc", action="store_true", help="ask the probe service of the tests")
    parser.add_argument("--gateway", action="store_true", help="also play what only the gateway promises")
    parser.add_argument("--only", default="", metavar="TEXT", help="only cases whose section or name holds this")
    parser.add_argument("--patience", type=float, default=PATIENCE, help="seconds for each reaction")
    parser.add_argument("--loud", action="store_true", help="name the cases that pass, too")
    options = parser.parse_args()
    place = plain_place(options.address, options.path, options.big)
    if options.grpc or options.gateway:
        # needs the generated messages of the tests, which no other server is asked for
        from tests.integration.wire.probe_place import grpc_place

        place = grpc_place(options.address, gateway=options.gateway)
    try:
        return 1 if asyncio.run(run(place, options.only, options.patience, loud=options.loud)) else 0
    except OSError as error:
        print(f"{options.address}: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
