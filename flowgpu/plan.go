package flowgpu

import "cuflow/device"

// Budget is what training takes.
type Budget struct {
	Params int // trained values
	Memory
	Flops int64 // of a step, as Stepper.Flops
}

// Plan tells what training would take in each of the modes, whatever that of step: on a device that counts and computes
// nothing, so that no memory is taken but for the model's initial weights on the host. The error is that of New.
func Plan(cfg Config, step StepConfig, modes ...Mode) (budgets []Budget, err error) {
	m, err := New(&device.Tally{}, cfg)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	for _, step.Mode = range modes {
		s, err := NewStepper(m, step)
		if err != nil {
			return nil, err
		}
		budgets = append(budgets, Budget{Params: m.NumParams(), Memory: s.Memory(), Flops: s.Flops()})
		s.Close()
	}
	return budgets, nil
}

// PlanEvaluator tells what an Evaluator of batches of a size would hold beside the model, in bytes.
func PlanEvaluator(cfg Config, batch int) (int64, error) {
	m, err := New(&device.Tally{}, cfg)
	if err != nil {
		return 0, err
	}
	defer m.Close()
	e, err := NewEvaluator(m, batch)
	if err != nil {
		return 0, err
	}
	defer e.Close()
	return e.w.Bytes(), nil
}
