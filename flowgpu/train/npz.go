package train

import (
	"fmt"
	"io"
	"reflect"

	"cuflow/flowgpu"

	"github.com/sbinet/npyio/npz"
)

// writeArrays writes samples as numpy.load reads them. T is the temperatures:
//
//	continuous   float32 (T, N, C, H, W)  intensities as the model draws them
//	rounded      uint8, or uint16 above 256 intensities, of the same shape: rounded down, limited to what a pixel can be
//	temperature  float64 (T)
//	seed         uint64 ()
//	class        int32 (N), of a class-conditional model
//
// Of vectors the first two are float64 (T, N, D), in the units of the data; rounded, down to the steps of the columns that have
// some. Those of a conditional model have a context, float64 (N, K), beside them: of a category its number.
func (g Sampling) writeArrays(m flowgpu.Config, all []float32, class func(i int) int32, context given) error {
	type named = struct {
		name  string
		value any
	}
	arrays := []named{{"temperature", g.Temperatures}, {"seed", g.Seed}}
	if vectors(m) {
		continuous, rounded := inUnits(m, all)
		arrays = append(arrays, named{"continuous", array(continuous, g.shape(m))}, named{"rounded", array(rounded, g.shape(m))})
	} else {
		arrays = append(arrays, named{"continuous", array(all, g.shape(m))}, named{"rounded", g.rounded(m, all)})
	}
	if m.Classes > 0 {
		classes := make([]int32, g.N)
		for i := range classes {
			classes[i] = class(i)
		}
		arrays = append(arrays, named{"class", classes})
	}
	if context != nil {
		var rows []float64
		for i := range g.N {
			rows = append(rows, context(i)...)
		}
		arrays = append(arrays, named{"context", array(rows, []int{g.N, len(rows) / g.N})})
	}
	err := replaceFile(g.Arrays, func(w io.Writer) error {
		z := npz.NewWriter(w)
		for _, a := range arrays {
			if err := z.Write(a.name+".npy", a.value); err != nil {
				return err
			}
		}
		return z.Close()
	})
	if err != nil {
		return fmt.Errorf("arrays %s: %w", g.Arrays, err)
	}
	return nil
}

func (g Sampling) shape(m flowgpu.Config) []int {
	if vectors(m) {
		return []int{len(g.Temperatures), g.N, m.D()}
	}
	return []int{len(g.Temperatures), g.N, m.Channels, m.Height, m.Width}
}

// rounded makes pixels of what was drawn. NaN becomes 0: it is an error that is told, and in the other array.
func (g Sampling) rounded(m flowgpu.Config, all []float32) any {
	top := float32(m.Intensities - 1)
	pixels := make([]uint16, len(all))
	for i, v := range all {
		if v == v {
			pixels[i] = uint16(min(max(v, 0), top))
		}
	}
	if m.Intensities > 256 {
		return array(pixels, g.shape(m))
	}
	bytes := make([]uint8, len(pixels))
	for i, v := range pixels {
		bytes[i] = uint8(v)
	}
	return array(bytes, g.shape(m))
}

// array gives values a shape in the way that npyio takes it: as a Go array of arrays.
func array[T any](values []T, shape []int) any {
	t := reflect.TypeFor[T]()
	for i := len(shape) - 1; i >= 0; i-- {
		t = reflect.ArrayOf(shape[i], t)
	}
	a := reflect.New(t).Elem()
	fill(a, len(shape), reflect.ValueOf(values))
	return a.Addr().Interface()
}

// fill copies values into an array of that many dimensions and returns those that are left.
func fill(a reflect.Value, dims int, values reflect.Value) (rest reflect.Value) {
	if dims == 1 {
		n := reflect.Copy(a, values)
		return values.Slice(n, values.Len())
	}
	for i := range a.Len() {
		values = fill(a.Index(i), dims-1, values)
	}
	return values
}
