#!/bin/bash
# All tests: units in TAP, tools in bats; prove closes with the line that CI reads.
set -eu
cd "$(dirname "$0")/.."
export BIN=$PWD/build/bin PATH=$PWD/build/bin:$PATH
export NIIPIPE_DATA=${NIIPIPE_DATA:-$PWD/../shared/data}
exec prove -j "$(nproc)" -e tests/prove-one build/test/* tests/*.bats
