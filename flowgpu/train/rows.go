package train

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strconv"

	"cuflow/flowgpu"
)

// columnsOf are a model's columns; of a model that was built without, x1, x2, ... as they are.
func columnsOf(m flowgpu.Config) []flowgpu.Column {
	list := m.Columns.List()
	for i := len(list); i < m.D(); i++ {
		list = append(list, flowgpu.Column{Name: fmt.Sprintf("x%d", i+1), Std: 1})
	}
	return list
}

// inUnits takes drawn vectors [n][D] to the units of the data: as the model has them, and on the steps that the values have.
func inUnits(m flowgpu.Config, x []float32) (continuous, rounded []float64) {
	columns := columnsOf(m)
	continuous, rounded = make([]float64, len(x)), make([]float64, len(x))
	for i, v := range x {
		c := columns[i%len(columns)]
		continuous[i] = c.Value(v)
		rounded[i] = c.Floor(continuous[i])
	}
	return continuous, rounded
}

// writeRows writes drawn vectors [T][n][D] as text, a row for each under the columns' names: values with steps on them, so that
// the file looks like the data. With several temperatures the first column tells it; what vectors were drawn under comes behind them.
func writeRows(path string, m flowgpu.Config, x []float32, temperatures []float64, context given) error {
	columns, conditions := columnsOf(m), contextOf(m)
	_, values := inUnits(m, x)
	several := len(temperatures) > 1
	var header []string
	if several {
		header = append(header, "temperature")
	}
	for _, c := range columns {
		header = append(header, c.Name)
	}
	for _, c := range conditions {
		header = append(header, c.Name)
	}
	each := len(values) / max(len(temperatures), 1)
	err := replaceFile(path, func(w io.Writer) error {
		table := csv.NewWriter(w)
		table.Write(header) // errors wait for Flush
		fields := make([]string, 0, len(header))
		for at := 0; at < len(values); at += len(columns) {
			fields = fields[:0]
			if several {
				fields = append(fields, strconv.FormatFloat(temperatures[at/each], 'g', -1, 64))
			}
			for i, c := range columns {
				fields = append(fields, number(values[at+i], c.Step))
			}
			for i, c := range conditions {
				fields = append(fields, c.Text(context(at % each / len(columns))[i]))
			}
			table.Write(fields)
		}
		table.Flush()
		return table.Error()
	})
	if err != nil {
		return fmt.Errorf("samples %s: %w", path, err)
	}
	return nil
}

// number writes a value with the decimals of its step, or with as many digits as a float32 has.
func number(v, step float64) string {
	if step > 0 && math.Abs(v) < 1e15 {
		for decimals := range 10 {
			if scaled := step * math.Pow10(decimals); math.Abs(scaled-math.Round(scaled)) < 1e-6*scaled {
				return strconv.FormatFloat(v+0, 'f', decimals, 64) // +0: no "-0"
			}
		}
	}
	return strconv.FormatFloat(v, 'g', 8, 64)
}

func badRows(path string, x []float32) error {
	if bad := countBad(x); bad > 0 {
		return fmt.Errorf("%s: %d of %d sampled values are %w", path, bad, len(x), errNotFinite)
	}
	return nil
}
