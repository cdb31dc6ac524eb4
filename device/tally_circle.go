package device

func (t *Tally) Wrap(x Buffer)                   { t.op() }
func (t *Tally) Angles(x, y Buffer)              { t.op() }
func (t *Tally) AnglesBackward(y, dy, dx Buffer) { t.op() }
