package train

import (
	"fmt"
	"strings"

	"cuflow/device"
	"cuflow/flowgpu"
)

// fits says, before anything is allocated, that training does not fit into the free memory of a device that tells it, and what would.
func (c Config) fits(be device.Backend) error {
	gpu, ok := be.(interface{ Chip() device.Chip })
	if !ok {
		return nil
	}
	free := gpu.Chip().Free
	need, err := c.need(c.Batch, modes()...)
	if err != nil {
		return err
	}
	var others []string
	least := int64(0)
	for i, mode := range modes() {
		switch {
		case mode == c.Memory && need[i] <= free:
			return nil
		case mode == c.Memory:
			least = need[i]
		case need[i] <= free:
			others = append(others, fmt.Sprintf("--memory %s takes %s", mode, mebibytes(need[i])))
		}
	}
	for batch := c.Batch / 2; batch >= 1; batch /= 2 {
		if n, err := c.need(batch, c.Memory); err == nil && n[0] <= free {
			others = append(others, fmt.Sprintf("--batch %d takes %s", batch, mebibytes(n[0])))
			break
		}
	}
	if len(others) == 0 {
		others = []string{fmt.Sprintf("nothing that --memory or --batch set would fit: take a smaller model than %s, or another device", c.Preset)}
	}
	return fmt.Errorf("batches of %d in mode %s take %s, but %s has %s free: %s", c.Batch, c.Memory, mebibytes(least), be.Name(), mebibytes(free),
		strings.Join(others, ", "))
}

// need is the memory that training takes in each mode, validation counted in.
func (c Config) need(batch int, in ...flowgpu.Mode) ([]int64, error) {
	c.Batch = batch
	budgets, err := flowgpu.Plan(c.Model, c.stepping(c.Memory), in...)
	if err != nil {
		return nil, err
	}
	eval, err := flowgpu.PlanEvaluator(c.Model, batch)
	if err != nil {
		return nil, err
	}
	var all []int64
	for _, b := range budgets {
		all = append(all, b.Total()+eval)
	}
	return all, nil
}
