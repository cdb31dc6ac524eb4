package plot

import "gonum.org/v1/plot/vg/draw"

// contours are lines of equal value on a grid. (gonum's come out of a map, in another order every time.)
type contours struct {
	Grid
	values []float64
	levels []float64
	style  draw.LineStyle
}

func (c contours) draw(f frame) {
	for _, level := range c.levels {
		for _, p := range c.at(level) {
			line{p.X, p.Y, c.style}.draw(f)
		}
	}
}

// none marks an edge that no line leaves in a direction.
const none = -1

// at finds the lines of a level by marching squares: where an edge between neighbouring points has one end above the level and one
// below, a line crosses it, at the place that a straight line between the two values says; in each cell crossings are joined two
// by two. Lorensen and Cline, "Marching cubes", 1987, in the plane.
func (c contours) at(level float64) (lines []Points) {
	n := c.Len()
	links := make([][2]int, 2*n) // of an edge's crossing to others. Edge k goes from point k to the right, edge n+k upwards
	for k := range links {
		links[k] = [2]int{none, none}
	}
	join := func(a, b int) {
		for _, ab := range [][2]int{{a, b}, {b, a}} {
			if l := &links[ab[0]]; l[0] == none {
				l[0] = ab[1]
			} else {
				l[1] = ab[1]
			}
		}
	}
	for j := range c.NY - 1 {
		for i := range c.NX - 1 {
			c.joinCell(j*c.NX+i, level, join)
		}
	}
	follow := func(k int) (p Points) {
		for k != none {
			x, y := c.crossing(k, level)
			p.X, p.Y = append(p.X, x), append(p.Y, y)
			next := links[k][0]
			if next == none {
				next = links[k][1]
			}
			links[k] = [2]int{none, none}
			if next != none {
				for side, back := range links[next] {
					if back == k {
						links[next][side] = none
						break
					}
				}
			}
			k = next
		}
		return p
	}
	for k, l := range links {
		if (l[0] == none) != (l[1] == none) { // lines that end at the grid's edge
			lines = append(lines, follow(k))
		}
	}
	for k := range links {
		if links[k][0] != none && links[k][1] != none { // and those that close
			lines = append(lines, follow(k))
		}
	}
	return lines
}

// joinCell joins the crossings of the cell whose lower left point is k.
func (c contours) joinCell(k int, level float64, join func(a, b int)) {
	n := c.Len()
	up := func(k int) bool { return c.values[k] >= level }
	a, b, d, e := up(k), up(k+1), up(k+1+c.NX), up(k+c.NX) // around the cell
	bottom, right, top, left := k, n+k+1, k+c.NX, n+k
	var crossed []int
	for _, edge := range []struct {
		id   int
		here bool
	}{{bottom, a != b}, {right, b != d}, {top, d != e}, {left, e != a}} {
		if edge.here {
			crossed = append(crossed, edge.id)
		}
	}
	switch len(crossed) {
	case 2:
		join(crossed[0], crossed[1])
	case 4: // a saddle: the middle says which corners hang together
		middle := (c.values[k] + c.values[k+1] + c.values[k+c.NX] + c.values[k+c.NX+1]) / 4
		if (middle >= level) == a {
			join(bottom, right)
			join(top, left)
		} else {
			join(bottom, left)
			join(right, top)
		}
	}
}

// crossing is where a level is on an edge.
func (c contours) crossing(k int, level float64) (x, y float64) {
	from, to := k, k+1
	if n := c.Len(); k >= n {
		from, to = k-n, k-n+c.NX
	}
	t := (level - c.values[from]) / (c.values[to] - c.values[from])
	x0, x1 := c.X(from%c.NX), c.X(to%c.NX)
	y0, y1 := c.Y(from/c.NX), c.Y(to/c.NX)
	return x0 + t*(x1-x0), y0 + t*(y1-y0)
}
