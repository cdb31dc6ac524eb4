package train

import (
	"fmt"

	"cuflow/flowgpu"
	"cuflow/flowgpu/data"
)

// checkDomain says, before a run begins, whether its data lies where the flow's density does: all of it, so that the error can say
// how much does not.
func checkDomain(m flowgpu.Config, s sources) error {
	if m.TakesAll() {
		return nil
	}
	for _, part := range []struct {
		name string
		set  data.Source
	}{{"training", s.train}, {"validation", s.val}, {"test", s.test}} {
		n := part.set.Info().N
		x := make([]float32, n*part.set.Info().D())
		if err := part.set.Fill(x, 0, n); err != nil {
			return unreadable{err}
		}
		if err := m.CheckData(x, n, 0); err != nil {
			return UsageError{fmt.Errorf("%s data: %w", part.name, err)}
		}
	}
	return nil
}
