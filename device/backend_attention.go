package device

// Heads is the shape of an attention: C channels in H heads of C/H neighbours each, N samples of T tokens. The tokens of an image are
// its pixels, so that T is P and a dense layer of tokens is a 1x1 convolution. Vaswani et al., "Attention is all you need", 2017.
type Heads struct {
	C, H, N, T int
	Causal     bool // a token attends to itself and those before it, else to all
}

// MaxHead is the most channels that a head may have.
const MaxHead = 64

// Valid says whether there is such an attention.
func (s Heads) Valid() bool {
	return s.H >= 1 && s.C >= s.H && s.C%s.H == 0 && s.C/s.H <= MaxHead && s.N >= 0 && s.T >= 1
}

// M is columns: the tokens of the whole batch.
func (s Heads) M() int { return s.N * s.T }

// pairs is how many pairs of a token and one that it attends to a sample has.
func (s Heads) pairs() int64 {
	if s.Causal {
		return int64(s.T) * int64(s.T+1) / 2
	}
	return int64(s.T) * int64(s.T)
}

// Flops of Attend: a multiplication and an addition for each pair and channel, for the scores and again for the values.
func (s Heads) Flops() int64 { return 4 * s.pairs() * int64(s.C) * int64(s.N) }

// BackwardFlops are those of AttendBackward: the scores again, and the gradients of weights, values, queries and keys.
func (s Heads) BackwardFlops() int64 { return s.Flops() / 2 * 5 }

// StepFlops are those of an AttendStep.
func (s Heads) StepFlops(t int) int64 { return 4 * int64(t+1) * int64(s.C) * int64(s.N) }

// Transformer holds what transformers are made of beside convolutions. Batches are [C][N][T], qkv is [3C][N][T]: C channels of
// queries, C of keys, C of values.
type Transformer interface {
	// Attend, for every head h with channels c = h*d .. h*d+d-1, d = C/H, in memory that grows with T and not with T^2:
	//
	//	a[t,s] = sum_c q[c,n,t]*k[c,n,s] / sqrt(d);  lse[h,n,t] = log sum_s exp(a[t,s])
	//	y[c,n,t] = sum_s exp(a[t,s] - lse[h,n,t]) * v[c,n,s]        s = 0 .. t if Causal, else 0 .. T-1
	Attend(s Heads, qkv, y, lse Buffer)
	// AttendBackward makes the gradient of qkv from that of y. Weights are computed again from lse; both are what Attend left.
	//
	//	w[t,s] = exp(a[t,s] - lse[h,n,t]);  da[t,s] = w[t,s] * (sum_c dy[c,n,t]*v[c,n,s] - sum_c dy[c,n,t]*y[c,n,t])
	//	dq[c,n,t] = sum_s da[t,s]*k[c,n,s]/sqrt(d);  dk[c,n,s] = sum_t da[t,s]*q[c,n,t]/sqrt(d);  dv[c,n,s] = sum_t w[t,s]*dy[c,n,t]
	AttendBackward(s Heads, qkv, y, lse, dy, dqkv Buffer)
	// AttendStep is token t of a causal Attend, where tokens come one by one: qkv [3C][N] and y [C][N] are of that token alone. Its keys
	// and values join those of the tokens before it in keys and values [C][N][T], of which nothing behind t is read.
	AttendStep(s Heads, t int, qkv, keys, values, y Buffer)

	// LayerNorm makes the channels of every column mean 0 and variance 1 (Ba, Kiros and Hinton, "Layer normalization", 2016). It
	// leaves in stats [2][M] the mean and 1/sqrt(variance+eps) of each.
	//
	//	y[c,m] = gamma[c] * (x[c,m]-stats[0,m])*stats[1,m] + beta[c]
	LayerNorm(c, m int, eps float32, gamma, beta, x, y, stats Buffer)
	// LayerNormBackward adds the gradient of x to dx. With xh = (x-stats[0,m])*stats[1,m] and g = gamma[c]*dy:
	//
	//	dx[c,m] += stats[1,m] * (g - mean_c g - xh*mean_c(g*xh));  dgamma[c] += sum_m dy*xh;  dbeta[c] += sum_m dy
	LayerNormBackward(c, m int, gamma, x, stats, dy, dx, dgamma, dbeta Buffer)

	// GELU: y[i] = x[i]*sigmoid(2u), u = sqrt(2/pi)*(x[i] + 0.044715 x[i]^3). Hendrycks and Gimpel, "Gaussian error linear units",
	// 2016: their approximation by tanh, within 5e-4 of x*Phi(x). y may be x.
	GELU(x, y Buffer)
	// GELUBackward: dy[i] *= the derivative at x[i], in place.
	GELUBackward(x, dy Buffer)

	// AddPositions: x[c,n,p] += pos[c,p]: what tokens know of where they are.
	AddPositions(r Rows, pos, x Buffer)
	// PositionsBackward: dpos[c,p] += sum_n dx[c,n,p].
	PositionsBackward(r Rows, dx, dpos Buffer)
	// Embed: x[c,n,p] += table[label[n],c]; label [N] holds whole numbers below classes, table is [classes][C].
	Embed(r Rows, classes int, label, table, x Buffer)
	// EmbedBackward: dtable[k,c] += sum of dx[c,n,p] over samples n of class k, and p.
	EmbedBackward(r Rows, classes int, label, dx, dtable Buffer)

	// Gather: y[i,j] = x[i,index[j]], 0 where index[j] is below 0; x [rows][P], y [rows][Q], index [Q] of whole numbers below P.
	Gather(rows, p, q int, index, x, y Buffer)
	// Scatter: y[i,index[j]] = x[i,j], nothing where index[j] is below 0; x [rows][Q], y [rows][P], no number of index twice.
	Scatter(rows, p, q int, index, x, y Buffer)
}
