#!/bin/sh
# Writes the assembly of packages vec and nn, and its Go declarations, from the generator beside this script.
set -e
cd "$(dirname "$0")/.."
for to in avx2_amd64 avx512_amd64 neon_arm64; do
	go run ./vec -isa ${to%_*} -out ../vec/vec_$to.s -stubs ../vec/vec_$to.go -pkg vec
	go run ./vec -set nn -isa ${to%_*} -out ../nn/nn_$to.s -stubs ../nn/nn_$to.go -pkg nn
done
