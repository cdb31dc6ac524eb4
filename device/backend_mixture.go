package device

// Components is the shape of a mixture at work: K components in D dimensions, and N samples x [D][N].
type Components struct{ K, D, N int }

// Triangle is the number of values strictly below the diagonal of a D x D matrix, row by row: row i begins at i*(i-1)/2.
func (s Components) Triangle() int { return s.D * (s.D - 1) / 2 }

// GMM is a mixture of K Gaussians. Component k has the weight pi[k] = softmax(logits)[k], the mean mean[k] and the
// precision A[k]^T A[k], A[k] lower triangular with diagonal exp(logs[k]) > 0 and below it l[k], which diagonal covariances lack:
//
//	log N_k(x) = sum_d logs[k,d] - |A[k] (x - mean[k])|^2/2 - D/2 log(2 pi)
//
// Shapes: logits [K], mean and logs [K][D], l [K][D(D-1)/2] packed by rows, q and r [K][N], logp [N]. Squares are of differences:
// expanded to x^2, x and 1 their terms would cancel where a variance is small beside the mean.
type GMM interface {
	// MixtureDiagonal writes the log-densities of components without l:
	//
	//	q[k,n] = sum_d (logs[k,d] - ((x[d,n]-mean[k,d])*exp(logs[k,d]))^2/2 - log(2 pi)/2)
	MixtureDiagonal(s Components, mean, logs, x, q Buffer)
	// MixtureDiagonalBackward, r the responsibilities and dlp dLoss/dlogp, the same for all samples, with
	// t = (x[d,n]-mean[k,d])*exp(logs[k,d]):
	//
	//	dx[d,n] = -dlp * sum_k r[k,n]*t*exp(logs[k,d])
	//	dmean[k,d] += dlp * sum_n r[k,n]*t*exp(logs[k,d]);  dlogs[k,d] += dlp * sum_n r[k,n]*(1-t^2)
	MixtureDiagonalBackward(s Components, dlp float32, mean, logs, r, x, dx, dmean, dlogs Buffer)

	// MixtureEvidence adds the mixture's log-density; q, the components', becomes the responsibilities r, in place:
	//
	//	e = log sum_k pi[k]*exp(q[k,n]);  logp[n] += e;  r[k,n] = pi[k]*exp(q[k,n]-e)
	//
	// Exponents are taken below the greatest: nothing overflows, and what underflows is 0.
	MixtureEvidence(k, n int, logits, q, logp Buffer)
	// MixtureEvidenceBackward: dlogits[k] += dlp * sum_n (r[k,n] - pi[k]).
	MixtureEvidenceBackward(k, n int, dlp float32, logits, r, dlogits Buffer)

	// Center: y[c,m] = x[c,m] - mean[c].
	Center(c, m int, mean, x, y Buffer)
	// CenterBackward: dx[c,m] += dy[c,m]; dmean[c] -= sum_m dy[c,m].
	CenterBackward(c, m int, dy, dx, dmean Buffer)
	// Weigh: x[c,m] = a*w[m]*x[c,m], in place.
	Weigh(c, m int, a float32, w, x Buffer)
	// Triangle writes A of one component, a [D][D]: exp(logs) on the diagonal, l below, 0 above. l is optional: D may be 1.
	Triangle(d int, logs, l, a Buffer)
	// TriangleBackward: dlogs[i] += da[i,i]*exp(logs[i]); dl[i(i-1)/2+j] += da[i,j], j < i.
	TriangleBackward(d int, logs, da, dlogs, dl Buffer)

	// MixturePick chooses a component for each uniform number of [0, 1): the first with u[n] below the sum of the weights up to
	// and with its own, or the last. pick [N] gets whole numbers.
	MixturePick(k, n int, logits, u, pick Buffer)
	// MixturePlace makes a sample of component k = pick[n] of standard normal numbers x [D][N], in place, by forward
	// substitution: x becomes the y with A[k] (y - mean[k]) = x. l is optional.
	MixturePlace(s Components, pick, mean, logs, l, x Buffer)

	// AtMost: x[i] = min(x[i], bound). NaN stays.
	AtMost(bound float32, x Buffer)
}
