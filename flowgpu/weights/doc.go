// Package weights carries a model's weights to other frameworks and back, as safetensors or .npz files. The round trip keeps
// every bit.
//
// A file holds float32 arrays, row-major, and metadata: a map of strings in __metadata__ (safetensors) or the bytes of a
// JSON object in the array __metadata__ (.npz). Its keys are
//
//	cuflow.format  "1": the version of what follows here
//	cuflow.config  flowgpu.Config as JSON: sizes, laws, prior, preprocessing
//	cuflow.fixed   JSON list of the arrays that are not trained: buffers, in PyTorch's words
//	weights        "raw", "ema" or "best", those of the best validation
//
// and what the writer adds. All is read without Cuflow:
//
//	arrays = safetensors.numpy.load_file("w.safetensors")
//	config = json.loads(safetensors.safe_open("w.safetensors", "np").metadata()["cuflow.config"])
//
//	f = numpy.load("w.npz")
//	config = json.loads(json.loads(bytes(f["__metadata__"]))["cuflow.config"])
//
// A file that others write needs the arrays alone; ReadSafetensors and ReadNPZ then leave File.Config zero.
//
// # Words
//
// x is a batch of shape (N, C, H, W) on its way from data to latent; P = H*W; logdet adds up log|det dz/dx| per sample.
// Each array's name is that of its part of the model, then, in a flow step of Glow, that of the layer, then its own:
// level1.step2.actnorm.logs. Levels, steps and couplings count from 1 in forward order. Convolutions have stride 1 and
// zero padding K/2 (torch.nn.functional.conv2d(x, w, b, padding=K//2)); their weights are (Cout, Cin, K, K).
//
// # Before and behind the layers
//
// An image v of whole numbers 0 .. intensities-1, with uniform noise from [0, 1) added, becomes x = v/intensities - 1/2,
// which adds -D log(intensities) to log p, D = C*H*W. With logit = alpha > 0, p = alpha + (1-alpha) v/intensities and
//
//	x = log p - log(1-p);  logdet += sum (log(1-alpha) - log p - log(1-p))
//
// is what the layers see instead; the -D log(intensities) stays. With intensities = 0 the data is x, or a row of vectors v in
// units of their own: columns lists name, mean, std and step of each, u is uniform on [0, 1), and -sum log(std) belongs to log p:
//
//	x = (v + step u - mean)/std
//
// A model with columns of context sees their features behind what a network sees anyway: (v - mean)/std of a number, and of a category 1 at
// its place among values, else 0. With dequantization "variational" the noise is no uniform one in training and in scores: a flow whose arrays
// are noise.* makes it, see flowgpu/dequant.go. Samples do not need it.
//
// What comes out of the last layer and of every split is latent, of the standard normal prior, or the standard logistic one (prior "logistic": log p = sum (-z - 2 log(1+exp(-z)))), or of a mixture.
//
// # Layers
//
// Actnorm, also NAME = prior without classes (prior "learned"):
//
//	NAME.b, NAME.logs  (C)            y = (x + b) exp(logs);  logdet += P sum logs
//
// Invertible 1x1 convolution (permutation "lu"). I is the identity, and (Pm A)[i] = A[perm[i]]; of l what lies below the
// diagonal counts, of u what lies above:
//
//	NAME.l, NAME.u         (C, C)
//	NAME.logd, NAME.sign   (C)        W = Pm (l + I) (u + diag(sign exp(logd)))
//	NAME.perm              (C)        y = conv2d(x, W[:, :, None, None]);  logdet += P sum logd
//
// Permutation (permutation "reverse" and "shuffle"; evenodd of NICE and of RealNVP on vectors):
//
//	NAME.perm, NAME.inverse  (C)      y = x[:, perm];  inverse = argsort(perm)
//
// Squeeze, without arrays: torch.nn.functional.pixel_unshuffle(x, 2), channel 4c+2u+v for row u and column v of a block.
//
// Coupling. The channels that condition, x1, go through a network, whose result is t, or all of t and then all of s; the
// others, x2, move. x1 is the first C/2 channels, rounded down:
//
//	additive  y2 = x2 + t
//	sigmoid   y2 = (x2 + t) exp(ls);  ls = log sigmoid(s + 2)
//	exp       y2 = x2 exp(ls) + t;    ls = 2 tanh(s/2)
//	tanh      y2 = x2 exp(ls) + t;    ls = g tanh(s);  NAME.g (channels of x2)
//	shifted   y2 = (x2 + t) exp(ls);  ls = 6 tanh(s/6)
//
// and logdet += sum ls, which is 0 for additive. Networks follow.
//
// Glow's network, hidden channels M, C1 of x1, C2 of x2, R = C2 for additive and else 2 C2:
//
//	NAME.conv1.w (M, C1, 3, 3), NAME.conv1.b, NAME.conv1.logs (M)   h = relu((conv(x1) + b) exp(logs))
//	NAME.conv2.w (M, M, 1, 1),  NAME.conv2.b, NAME.conv2.logs (M)   the same of h
//	NAME.conv3.w (R, M, 3, 3),  NAME.conv3.b (R)                    conv(h) + b
//
// The network of NICE and of RealNVP on vectors, for i = 1 .. depth+1:
//
//	NAME.dense{i}.w (out, in, 1, 1), NAME.dense{i}.b (out)          relu(w x + b); the last without relu
//
// RealNVP's network, width M = hidden at level 1 and twice as many at each next, for i = 1 .. depth. A normalisation BN is
// NAME.BN.gamma, beta, mean, variance, each (C): bn(x) = gamma (x - mean)/sqrt(variance + 1e-5) + beta. A convolution CONV is
// NAME.CONV.v (Cout, Cin, K, K) and NAME.CONV.g (Cout): w[o] = g[o] v[o]/|v[o]|, no bias.
//
//	b = in(x1)                                    in: BN
//	h = first(relu([b, -b]))                      first: CONV of K = 3
//	skip = skip0(h)                               skip{i}: CONV of K = 1
//	h = h + conv2(relu(bn2(conv1(relu(bn1(h)))))) block{i}.bn1, .conv1, .bn2, .conv2: BN, CONV of K = 3
//	skip = skip + skip{i}(h)
//	out(relu(last(skip)))                         last: BN; out: CONV of K = 1, with NAME.out.b (R)
//
// With a checkerboard x1 and x2 are pixels, not channels: pixel (i, j) conditions where (i+j) % 2 = parity. The network
// sees the whole image, b is set to 0 on pixels that move, and the mask, 1 on pixels that condition, is one more input
// channel: relu([b, -b, mask]).
//
// Batch normalisation of the flow (RealNVP), by running averages:
//
//	NAME.mean, NAME.variance  (C)     y = (x - mean)/sqrt(variance + 1e-5);  logdet -= P/2 sum log(variance + 1e-5)
//
// Split of Glow. The first C - C/2 channels stay, the others, x2, become latent:
//
//	NAME.conv.w (2 C2, C1, 3, 3), NAME.conv.b (2 C2)    t, s = conv(x1)
//	                                                    z2 = (x2 + t) exp(ls);  ls = 6 tanh(s/6);  logdet += sum ls
//
// RealNVP's split has no arrays: z2 = x2. Class-conditional prior (classes K > 0), k the sample's class:
//
//	prior.b, prior.logs  (K, C)       y = (x + b[k]) exp(logs[k]);  logdet += P sum logs[k]
//
// Scaling (NICE); zero is a constant 0 in the place of a shift:
//
//	scaling.logs, scaling.zero  (C)   y = x exp(logs);  logdet += sum logs
//
// Mixture of K Gaussians (prior "mixture"), over the latent of the last level as vectors x.flatten(1) of D dimensions; what splits
// retire stays standard normal. A[k] is lower triangular: exp(logs[k]) on the diagonal and, with covariance "full", l[k] below it, in
// the order of numpy.tril_indices(D, -1):
//
//	mixture.logits              (K)
//	mixture.mean, mixture.logs  (K, D)
//	mixture.l                   (K, D (D-1)/2)
//	log p = logsumexp_k(log_softmax(logits)[k] + sum logs[k] - |A[k] (z - mean[k])|^2/2) - D/2 log(2 pi)
//
// Mixture CDF (mixcdf of a chain), of gauss or logistic components, by channel; F0 and f0 are their standard CDF and density:
//
//	NAME.logits, NAME.means, NAME.logs  (K, C)   w = softmax(logits);  s = exp(logs) + 1/1024;  t = (x - means)/s
//	                                             F = sum w F0(t);  f = sum w f0(t)/s
//	before probit                                y = Phi^-1(F);  logdet += log f - log phi(y)
//	before logit, a base on (0, 1) or logistic   y = log F - log(1-F);  logdet += log f - log F - log(1-F)
//
// Under the uniform and Beta bases the latent is y = logit u, of density a log sigmoid(y) + b log sigmoid(-y) - log B(a, b).
//
// # Models
//
// Glow:
//
//	for l = 1 .. levels: squeeze; for s = 1 .. steps: level{l}.step{s}.actnorm, .invconv or .permutation, .coupling;
//	                     level{l}.split but at the last level
//	prior unless prior is "standard"
//
// RealNVP; checkerboards of parity 0, 1, 0 (, 1); of the three couplings by channels the second lets the last half of the
// channels condition and the first half move:
//
//	for l = 1 .. levels: for i = 1 .. 3: level{l}.checker{i}, level{l}.checker{i}.norm; squeeze;
//	                     for i = 1 .. 3: level{l}.channel{i}, level{l}.channel{i}.norm; split but at the last level
//	layout "paper": the last level is checker1 .. checker4 with their norms, and no squeeze
//	prior if prior is "learned"
//
// NICE, on vectors x.flatten(1) as D channels of one pixel:
//
//	evenodd if layout is "evenodd": odd dimensions first; coupling1 .. coupling{steps}; scaling
//
// where odd couplings let the first D/2 dimensions, rounded down, condition, and even ones the others.
//
// RealNVP on vectors (realnvp-vector), whose couplings alternate as NICE's do:
//
//	evenodd if layout is "evenodd"; for i = 1 .. steps: coupling{i}, coupling{i}.norm unless norm is "none" (actnorm or batch
//	normalisation); prior if prior is "learned"
//
// Continuous flows (ffjord), from t = 0 to 1 by the config's ode; of vectors, with layers a = g*(w x + b) + t*time:
//
//	for i = 1 .. steps: flow{i}, flow{i}.norm unless norm is "none" or i is the last; prior if prior is "learned"
//	dense{j}.w [out, in], .b, .time; time "squash": g = sigmoid(t*gate.time + gate.b), "concat": g = 1
//
// and of images, by scales l, with conv{j}.w [out, in+1, 3, 3] whose last input is a channel of t, and conv{j}.b:
//
//	for l = 1 .. levels: level{l}.flow{1 ..}; but at the last level squeeze, level{l}.squeezed{1 ..}, split
//
// A mixture by itself (gmm), no flow but the flattening:
//
//	mixture
//
// The tests beside flowgpu/testdata/golden hold these formulas against normflows, nflows and PyTorch.
package weights
