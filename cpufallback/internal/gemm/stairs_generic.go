package gemm

// genericStairs is the plain Go of every kernel.
func genericStairs() *StairKernels {
	k := &StairKernels{rows: 4, dotRows: 2, sums: stairSums, columns: stairColumns}
	for n := 1; n <= k.rows; n++ {
		k.tile[n] = func(a *stairArgs) { stairRows(a, n) }
	}
	for n := 1; n <= k.dotRows; n++ {
		k.dots[n] = func(a *stairDotsArgs) { stairDots(a, n) }
	}
	return k
}

func stairRows(a *stairArgs, rows int) {
	for i := range rows {
		var sum [PanelColumns]float32
		if a.Flags&begun != 0 {
			copy(sum[:], a.S[i*PanelColumns:])
		}
		for k := range a.K {
			w := a.A[i*a.Row+k*a.Col]
			for j, v := range a.B[k*PanelColumns:][:PanelColumns] {
				sum[j] += w * v
			}
		}
		at := i * PanelColumns
		for j, v := range sum {
			if a.Flags&addD != 0 {
				v += a.D[at+j]
			}
			if a.Flags&addBias != 0 {
				v += a.Bias[i]
			}
			if a.Flags&relu != 0 {
				v = max(0, v)
			}
			if a.Flags&mask != 0 && !(a.M[at+j] > 0) {
				v = 0
			}
			a.C[at+j] = v
		}
	}
}

func stairDots(a *stairDotsArgs, rows int) {
	for i := range rows {
		for j := range 4 * a.Groups {
			sum := float32(0)
			for p := range a.Panels {
				x := a.X[p*a.XPanel+i*PanelColumns:][:PanelColumns]
				for m, v := range a.Y[p*a.YPanel+j*PanelColumns:][:PanelColumns] {
					sum += v * x[m]
				}
			}
			a.C[i*a.CRow+j] += sum
		}
	}
}

func stairSums(dst, src []float32, panels, stride int) {
	for i := range dst {
		sum := float32(0)
		for p := range panels {
			for _, v := range src[p*stride+i*PanelColumns:][:PanelColumns] {
				sum += v
			}
		}
		dst[i] += sum
	}
}

func stairColumns(dst, src []float32, n, stride, rows int) {
	for k := range rows {
		copy(dst[k*n:][:n], src[k*stride:])
	}
}
