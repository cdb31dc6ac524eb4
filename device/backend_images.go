package device

// Norm holds batch normalisation: of the flow itself, as RealNVP has it, and inside conditioners, with weight
// normalisation beside it.
type Norm interface {
	// ChannelStats: mean[c] = mean_m x[c,m]; variance[c] = mean_m (x[c,m]-mean[c])^2. Two passes.
	ChannelStats(c, m int, x, mean, variance Buffer)
	// Blend: y[i] = rho*y[i] + (1-rho)*x[i].
	Blend(rho float32, x, y Buffer)

	// BatchNormFold writes batch normalisation as an ActNorm: b[c] = -mean[c]; logs[c] = -log(variance[c]+eps)/2.
	BatchNormFold(c int, eps float32, mean, variance, logs, b Buffer)
	// BatchNormBackward adds to dx what flows through the batch's own statistics, which had a share in those that normalised.
	// x is the normalisation's input, mean the batch's own; variance is the one that normalised; dlogs and db [C] are what
	// ActNormBackward added up.
	//
	//	dmean = -db[c]; dvar = -dlogs[c] / (2*(variance[c]+eps))
	//	dx[c,m] += share/M * (dmean + 2*dvar*(x[c,m]-mean[c]))
	BatchNormBackward(c, m int, share, eps float32, mean, variance, dlogs, db, x, dx Buffer)

	// BatchNormScale folds a conditioner's batch normalisation, mean and variance [C], gamma and beta learned:
	//
	//	scale[c] = gamma[c]/sqrt(variance[c]+eps);  shift[c] = beta[c] - mean[c]*scale[c]
	BatchNormScale(c int, eps float32, mean, variance, gamma, beta, scale, shift Buffer)
	// AffineAct: y[c,m] = act(scale[c]*x[c,m] + shift[c]).
	AffineAct(c, m int, act Act, scale, shift, x, y Buffer)
	// BatchNormActBackward goes back through AffineAct and BatchNormScale of a batch's own statistics. x is their input, y their
	// result; dy becomes dx, in place. With istd = 1/sqrt(variance[c]+eps), xh = (x-mean[c])*istd and g = dy*act'(y):
	//
	//	dgamma[c] += sum_m g*xh;  dbeta[c] += sum_m g
	//	dx = gamma[c]*istd * (g - mean_m g - xh*mean_m(g*xh))
	BatchNormActBackward(c, m int, act Act, eps float32, mean, variance, gamma, x, y, dy, dgamma, dbeta Buffer)

	// WeightNorm: w[i,j] = g[i]*v[i,j]/|v[i,:]|, rows x cols (Salimans and Kingma, "Weight normalization", 2016).
	WeightNorm(rows, cols int, g, v, w Buffer)
	// WeightNormBackward: with u = v[i,:]/|v[i,:]|: dg[i] += dw[i,:].u; dv[i,:] += g[i]/|v[i,:]| * (dw[i,:] - (dw[i,:].u) u).
	WeightNormBackward(rows, cols int, g, v, dw, dv, dg Buffer)
}

// Image holds what image flows do beside couplings: masks, preprocessing, other priors.
type Image interface {
	// CheckerPack gathers one colour of a checkerboard into the first C channels and the other into the next C, so that a
	// checkerboard mask becomes a channel split. x is [C][N][H][W], W even, y is [2C][N][H][W/2]; parity is 0 or 1.
	//
	//	y[c,n,i,j]   = x[c,n,i, 2j + (i+parity)%2]
	//	y[C+c,n,i,j] = x[c,n,i, 2j + (i+parity+1)%2]
	CheckerPack(c, n, h, w, parity int, x, y Buffer)
	// CheckerUnpack undoes CheckerPack: x is [2C][N][H][W/2], y is [C][N][H][W].
	CheckerUnpack(c, n, h, w, parity int, x, y Buffer)

	// Flatten makes channels of pixels: y[c*P+p, n] = x[c,n,p]; x is [C][N][P], y is [C*P][N].
	Flatten(r Rows, x, y Buffer)
	// Unflatten undoes Flatten: x is [C*P][N], y is [C][N][P].
	Unflatten(r Rows, x, y Buffer)

	// Logit takes centred intensities x in [-1/2, 1/2], in place, to the real line (RealNVP, section 4.1), v = x + 1/2:
	//
	//	p = alpha + (1-alpha)*v;  q = (1-alpha)*max(1-v, 2^-24);  x = log p - log q
	//	logdet[n] += sum_{c,p} (log(1-alpha) - log p - log q)
	//
	// q is 1-p, and never 0: v can round to 1. 1-v is computed as 1/2-x, which is exact near white.
	Logit(r Rows, alpha float32, x, logdet Buffer)
	// LogitInverse: x = (sigmoid(x)-alpha)/(1-alpha) - 1/2, in place.
	LogitInverse(r Rows, alpha float32, x Buffer)

	// LogisticLogProb: logp[n] += sum_{c,p} (-x - 2 log(1+exp(-x))), computed without overflow.
	LogisticLogProb(r Rows, x, logp Buffer)
	// LogisticLogProbBackward: dx[i] = -dlp * tanh(x[i]/2).
	LogisticLogProbBackward(dlp float32, x, dx Buffer)
	// Logistic: x[c,n,p] = scale*(log u - log(1-u)), u = (word>>8 + 1/2)*2^-24 of the stream (see Stream).
	Logistic(r Rows, scale float32, rng Stream, at, x Buffer)

	// ClassAffine is an actnorm whose parameters depend on the sample's class k = label[n], a whole number below K; label [N],
	// logs and b [K][C]: the prior of a class-conditional model, made standard.
	//
	//	x[c,n,p] = (x[c,n,p] + b[k,c]) * exp(logs[k,c]), in place;  logdet[n] += P * sum_c logs[k,c]
	ClassAffine(r Rows, classes int, label, logs, b, x, logdet Buffer)
	// ClassAffineInverse: x = x*exp(-logs[k,c]) - b[k,c], in place; logdet[n] -= P * sum_c logs[k,c].
	ClassAffineInverse(r Rows, classes int, label, logs, b, x, logdet Buffer)
	// ClassAffineBackward takes y in x and dy in dx and leaves x and its gradient there.
	//
	//	dlogs[k,c] += sum_{n of class k} (P*dld + sum_p dy*y);  dx = dy*exp(logs[k,c]);  db[k,c] += sum_{n of class k, p} dx
	ClassAffineBackward(r Rows, classes int, label, logs, b, x, dx Buffer, dld float32, dlogs, db Buffer)
}
