package train

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// display tells people how a run goes: on a terminal by a bar under lines that stay, elsewhere by lines alone.
type display struct {
	out      io.Writer
	terminal bool
	bar      *progressbar.ProgressBar // between begin and end, on a terminal
	total    int
	drawn    time.Time
}

const redraw = 100 * time.Millisecond

// begin shows the bar.
func (d *display) begin(step, total int) {
	d.total = total
	if !d.terminal {
		return
	}
	d.bar = progressbar.NewOptions(total,
		progressbar.OptionSetWriter(d.out),
		progressbar.OptionSetWidth(24),
		progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(false), // ours is by the speed of the last steps
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionShowDescriptionAtLineEnd(),
		progressbar.OptionClearOnFinish())
	d.tick(step)
}

// end takes the bar away.
func (d *display) end() {
	if d.bar != nil {
		d.bar.Clear()
		d.bar = nil
	}
}

// say prints a line that stays.
func (d *display) say(format string, args ...any) {
	if d.bar != nil {
		d.bar.Clear()
	}
	fmt.Fprintf(d.out, format+"\n", args...)
	if d.bar != nil {
		d.bar.RenderBlank()
	}
}

// note prints what should be known about the data.
func (d *display) note(text string) { d.say("note      %s", text) }

// tick moves the bar on.
func (d *display) tick(step int) {
	if d.bar != nil && time.Since(d.drawn) >= redraw {
		d.bar.Set(step)
		d.drawn = time.Now()
	}
}

// line shows a line of the log.
func (d *display) line(l Line, u unit, left time.Duration) {
	text := fmt.Sprintf("%.3f %s  %s %ss/s  %s left", l.Loss/u.nats, u.name, thousands(int(l.ImagesPerSecond)), u.thing, clock(left))
	if l.Drift != nil {
		text += fmt.Sprintf("  drift %.0e", *l.Drift)
	}
	if l.SolveLine != nil {
		text += l.SolveLine.String()
	}
	if d.bar != nil {
		d.bar.Describe(text)
		return
	}
	if l.LR > 0 {
		text += fmt.Sprintf("  lr %.1e  |g| %.2f", l.LR, l.GradNorm)
	}
	d.say("step %*d/%d  epoch %d  %s", len(fmt.Sprint(d.total)), l.Step, d.total, l.Epoch, text)
}
