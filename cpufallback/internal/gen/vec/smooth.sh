#!/bin/sh
# Writes the assembly of package smooth, and its Go declarations.
set -e
cd "$(dirname "$0")/.."
for to in avx2_amd64 avx512_amd64 neon_arm64; do
	go run ./vec -set smooth -isa ${to%_*} -out ../smooth/smooth_$to.s -stubs ../smooth/smooth_$to.go -pkg smooth
done
