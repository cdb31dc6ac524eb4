package device

// Bell is the shape of a mixture's components, standard: location 0, scale 1.
type Bell int

const (
	GaussBell    Bell = iota // F0(t) = Phi(t), f0(t) = exp(-t^2/2)/sqrt(2 pi)
	LogisticBell             // F0(t) = 1/(1+exp(-t)), f0 = F0*(1-F0)
)

// Link takes u in (0, 1) to the real line. Both ends of (0, 1) are exact there, where u itself would round to 0 or 1: a link
// is computed from log u and log(1-u) and never from u.
type Link int

const (
	LogitLink  Link = iota // log u - log(1-u): uniform u become logistic numbers
	NormalLink             // Phi^-1(u): uniform u become standard normal numbers
)

// Mixture is a density per channel, a weighted sum of K components, whose cumulative distribution function is a flow.
type Mixture struct {
	K  int
	Of Bell
	To Link
}

// MixtureFloor is added to every scale of a mixture, so that no component can fall upon one value that data repeats: the
// density stays bounded. It is small beside data of variance 1.
const MixtureFloor = 0x1p-10

// Cumulative holds flows in one dimension: x -> u = F(x) through the cumulative distribution function of a mixture and on to
// the real line by a link, elementwise; and the base beneath u that is neither uniform nor normal.
//
// logits, means and logs are [K][C]. With w = softmax over k of logits[k,c], s_k = exp(logs[k,c]) + MixtureFloor and
// t_k = (x - means[k,c])/s_k:
//
//	F(x) = sum_k w_k*F0(t_k);  f(x) = sum_k w_k*f0(t_k)/s_k
type Cumulative interface {
	// CDF: x = y = link(F(x)), in place; logdet[n] += sum_{c,p} log(f(x)*link'(F(x))). With link' written by the density of
	// what uniform u become, of y, that is log f(x) - log logistic(y) or log f(x) - log normal(y).
	//
	// Nothing saturates: log F and log(1-F) are each the logarithm of a sum of tails, and y comes from the smaller.
	CDF(r Rows, m Mixture, logits, means, logs, x, logdet Buffer)
	// CDFInverse undoes CDF: y in x becomes x, logdet[n] -= sum. It is Newton's method within a bracket: the
	// quantiles of the components are on both sides of that of the mixture.
	CDFInverse(r Rows, m Mixture, logits, means, logs, x, logdet Buffer)
	// CDFBackward, x the op's input, dy in dx and left as dx. dld is dLoss/dlogdet. With h = 1 - 2*sigmoid(y) or -y the
	// derivative by y of the log-density of what uniform u become, and d the derivative by x or a parameter:
	//
	//	dL = dy*dY + dld*(d log f - h*dY);  dY = dF * link'(F)
	//	dx = dL/dx;  dlogits[k,c] += sum_{n,p} dL/dlogits[k,c];  so dmeans and dlogs
	CDFBackward(r Rows, m Mixture, logits, means, logs, x, dx Buffer, dld float32, dlogits, dmeans, dlogs Buffer)

	// BetaLogProb is the density of x = logit u where u is Beta(a, b), a and b > 0. The uniform base is that of a = b = 1 and
	// equals the logistic one.
	//
	//	logp[n] += sum_{c,p} (a*log sigmoid(x) + b*log sigmoid(-x) - log B(a,b))
	BetaLogProb(r Rows, a, b float32, x, logp Buffer)
	// BetaLogProbBackward: dx[i] = dlp * (a*sigmoid(-x[i]) - b*sigmoid(x[i])).
	BetaLogProbBackward(a, b, dlp float32, x, dx Buffer)
	// Beta: x[c,n,p] = scale * logit u, u the quantile of Beta(a, b) at (word>>8 + 1/2)*2^-24 of the stream (see Stream).
	Beta(r Rows, a, b, scale float32, rng Stream, at, x Buffer)
}
