package device

// Planar holds flows of vectors that bend space along one direction, about one point or along a few directions, so that a
// determinant costs no more than a dot product. x is [C][N], logdet [N].
//
// h is TanhMap, SoftplusMap or LeakyReLUMap with a slope of at most 1: increasing, with h' <= 1. What can be inverted is then
// an s > 0 with
//
//	g(a) = a + (s-1)*h(a) = (a-h(a)) + s*h(a),  g'(a) = (1-h'(a)) + s*h'(a) > 0
//
// and both are computed in the second form, which adds terms of one sign where h is odd: neither loses digits where s is near 0, that is
// at the bound of what can be inverted. g(a) = q is solved by Newton's method in a bracket, in at most 64 steps, to the last
// digits.
type Planar interface {
	// PlanarFold makes any u, w [C] those of an invertible flow (Rezende and Mohamed, "Variational inference with normalizing
	// flows", 2015, appendix A.1); w must not be 0:
	//
	//	t = w.u;  s[0] = max(log(1+exp(t)), 2^-126);  uh = u + (s-1-t)*w/|w|^2, so that w.uh = s-1 > -1
	PlanarFold(c int, w, u, uh, s Buffer)
	// PlanarFoldBackward adds the gradients of w and u for those of uh and s. With k = (s-1-t)/|w|^2:
	//
	//	dk = duh.w;  dt = (ds + dk/|w|^2)*sigmoid(t) - dk/|w|^2
	//	dw += k*duh + dt*u - 2*dk*k/|w|^2*w;  du += duh + dt*w
	PlanarFoldBackward(c int, w, u, duh, ds, dw, du Buffer)

	// Planar: with a[n] = b[0] + sum_c w[c]*x[c,n] (equations 10 to 12 of the same):
	//
	//	x[c,n] += uh[c]*h(a[n]), in place;  logdet[n] += log g'(a[n])
	Planar(c, n int, h Map, w, b, uh, s, x, logdet Buffer)
	// PlanarInverse undoes Planar: a[n] solves g(a) = b[0] + w.y, of which w.x + b[0] is the solution; x = y - uh*h(a);
	// logdet[n] -= log g'(a[n]).
	PlanarInverse(c, n int, h Map, w, b, uh, s, x, logdet Buffer)
	// PlanarBackward takes y in x and dy in dx and leaves x and its gradient there. dld is dLoss/dlogdet, the same for all samples.
	//
	//	da = h'(a)*(uh.dy) + dld*(s-1)*h''(a)/g'(a);  dx = dy + w*da
	//	dw[c] += sum_n da*x[c,n];  db[0] += sum_n da;  duh[c] += sum_n dy[c,n]*h(a);  ds[0] += sum_n dld*h'(a)/g'(a)
	PlanarBackward(c, n int, h Map, w, b, uh, s, x, dx Buffer, dld float32, dw, db, duh, ds Buffer)

	// Radial stretches space about x0 [C] (equations 13 and 14 of the same, appendix A.2). With al = exp(loga[0]) and
	// s = log(1+exp(beta[0])), which is their al + beta > 0, and r[n] = |x[:,n]-x0|:
	//
	//	x = x0 + (r+s)/(r+al)*(x-x0), in place
	//	logdet[n] += (C-1)*log((r+s)/(r+al)) + log((r^2 + 2*al*r + s*al)/(r+al)^2)
	Radial(c, n int, x0, loga, beta, x, logdet Buffer)
	// RadialInverse undoes Radial. With R = |y-x0|, r is the positive root of r^2 + (s-R)*r - al*R = 0.
	RadialInverse(c, n int, x0, loga, beta, x, logdet Buffer)
	// RadialBackward takes y in x and dy in dx and leaves x and its gradient there. With v = x-x0, k = (r+s)/(r+al),
	// q = r^2 + 2*al*r + s*al, p = v.dy:
	//
	//	dr = p*(al-s)/(r+al)^2 + dld*((C-1)*(1/(r+s) - 1/(r+al)) + 2*(r+al)/q - 2/(r+al));  dx = k*dy + dr*v/r (r = 0: k*dy)
	//	dx0[c] += sum_n (dy-dx);  ds = sum_n p/(r+al) + dld*((C-1)/(r+s) + al/q);  dbeta[0] += sigmoid(beta)*ds
	//	dloga[0] += al*sum_n (-p*k/(r+al) + dld*(-(C+1)/(r+al) + (2*r+s)/q))
	RadialBackward(c, n int, x0, loga, beta, x, dx Buffer, dld float32, dx0, dloga, dbeta Buffer)
}

// Sylvester holds what a Sylvester flow needs beside matrix products (van den Berg, Hasenclever, Tomczak and Welling, "Sylvester
// normalizing flows for variational inference", 2018), and orthogonal matrices. The flow is y = x + Q R1 h(R2 Q^T x + b): Q
// [C][M] has orthonormal columns, R1 and R2 [M][M] are upper triangular, and h, s and g are those of Planar, by direction.
type Sylvester interface {
	// Project: y[i,n] = sum_c w[i,c]*x[c,n]; w [rows][C], x [C][N], y [rows][N]. Unlike Conv, which is for conditioners, these three
	// products are in float32 on every device.
	Project(rows, c, n int, w, x, y Buffer)
	// Lift: x[c,n] += sum_i w[i,c]*y[i,n].
	Lift(rows, c, n int, w, y, x Buffer)
	// ProjectBackward: dw[i,c] += sum_n dy[i,n]*x[c,n]; db[i] += sum_n dy[i,n], which is optional.
	ProjectBackward(rows, c, n int, x, dy, dw, db Buffer)

	// Householder: q = the first rows of (I - 2 v0 v0^T/|v0|^2) (I - 2 v1 v1^T/|v1|^2) ..., q [rows][C], v [K][C], rows at most C: a
	// product of reflections, whose rows are orthonormal. No v may be 0.
	Householder(rows, c, k int, v, q Buffer)
	// HouseholderBackward adds the gradient of v for that of q. It goes through the reflections from the last to the first, and
	// takes each off q and dq, which it leaves as they were before the first: q the first rows of the identity.
	HouseholderBackward(rows, c, k int, v, q, dq, dv Buffer)

	// SylvesterFold makes any numbers those of an invertible flow (theorem 2): r1[i,i]*r2[i,i] = s[i]-1 > -1. Of u1 and u2 [M][M]
	// only what lies above the diagonal is read; tau, rho and s are [M].
	//
	//	s[i] = max(log(1+exp(tau[i])), 2^-126);  r1 = U1 + diag((s-1)*exp(-rho));  r2 = U2 + diag(exp(rho))
	SylvesterFold(m int, u1, u2, tau, rho, r1, r2, s Buffer)
	// SylvesterFoldBackward adds the gradients of u1 and u2 (above the diagonal only), tau and rho for those of r1, r2 and s:
	//
	//	dtau[i] += (ds[i] + dr1[i,i]*exp(-rho[i]))*sigmoid(tau[i])
	//	drho[i] += dr2[i,i]*exp(rho[i]) - dr1[i,i]*(s[i]-1)*exp(-rho[i])
	SylvesterFoldBackward(m int, tau, rho, dr1, dr2, ds, du1, du2, dtau, drho Buffer)

	// SylvesterGate: y[i,n] = h(a[i,n]); logdet[n] += sum_i log g'(a[i,n]) with s[i]. a and y are [M][N]; logdet is optional.
	SylvesterGate(m, n int, h Map, s, a, y, logdet Buffer)
	// SylvesterGateBackward turns dy, in dx, to da: dx[i,n] = dx*h'(a) + dld*(s[i]-1)*h''(a)/g'(a);
	// ds[i] += sum_n dld*h'(a)/g'(a).
	SylvesterGateBackward(m, n int, h Map, s, a, dx Buffer, dld float32, ds Buffer)
	// SylvesterSolve goes back; of r1 and r2 only what lies on the diagonal and above is read. t [M][N] holds Q^T y and becomes Q^T (y-x) = R1 h(a); a [M][N] is written; logdet, which is
	// optional, loses sum_i log g'(a[i,n]). Coordinate by coordinate, from the last to the first:
	//
	//	g(a[i]) = b[i] + sum_{j>i} r2[i,j]*x[j] + r2[i,i]*(t[i] - sum_{j>i} r1[i,j]*h(a[j]))
	//	x[i] = t[i] - sum_{j>=i} r1[i,j]*h(a[j])
	SylvesterSolve(m, n int, h Map, r1, r2, b, s, t, a, logdet Buffer)
}
