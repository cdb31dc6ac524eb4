#!/bin/sh
# Writes the assembly of internal/gemm and the Go file that declares it.
set -e
cd "$(dirname "$0")"
for to in avx2_amd64 avx512_amd64 neon_arm64; do
	go run . -isa ${to%_*} -pkg gemm -out ../../gemm/gemm_$to.s -table ../../gemm/gemm_$to.go
	go run . -family stairs -isa ${to%_*} -pkg gemm -out ../../gemm/stairs_$to.s -table ../../gemm/stairs_$to.go
done
go run . -family halves -isa avx512 -pkg gemm -out ../../gemm/halves_avx512_amd64.s -table ../../gemm/halves_avx512_amd64.go
