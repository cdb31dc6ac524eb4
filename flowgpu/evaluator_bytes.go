package flowgpu

// Bytes is the memory that the evaluator holds beside the model.
func (e *Evaluator) Bytes() int64 { return e.w.Bytes() }
