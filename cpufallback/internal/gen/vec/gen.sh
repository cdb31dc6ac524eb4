#!/bin/sh
# Writes the assembly of package vec, and its Go declarations, from the generator beside this script.
set -e
cd "$(dirname "$0")/.."
for isa in avx2 avx512; do
	go run ./vec -isa $isa -out ../vec/vec_${isa}_amd64.s -stubs ../vec/vec_${isa}_amd64.go -pkg vec
done
