package device

// Circular holds what flows on circles take beside splines (see Domain): angles in radians, in [-pi, pi). Rezende et al., "Normalizing
// flows on tori and spheres", 2020.
type Circular interface {
	// Wrap: x[i] -= 2 pi floor((x[i] + pi)/(2 pi)), in place: the same angle, from -pi on.
	Wrap(x Buffer)
	// Angles writes the points of the circle: y[i] = cos x[i], y[n+i] = sin x[i], n the length of x and y twice as long. What a network
	// makes of them has no seam.
	Angles(x, y Buffer)
	// AnglesBackward: dx[i] += y[i]*dy[n+i] - y[n+i]*dy[i].
	AnglesBackward(y, dy, dx Buffer)
}
