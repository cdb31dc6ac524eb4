#!/bin/sh
# Writes the assembly of internal/gemm and the Go file that declares it.
set -e
cd "$(dirname "$0")"
for isa in avx2 avx512; do
	go run . -isa $isa -pkg gemm -out ../../gemm/gemm_${isa}_amd64.s -table ../../gemm/gemm_${isa}_amd64.go
done
