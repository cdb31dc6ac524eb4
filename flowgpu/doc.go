// Package flowgpu holds normalizing flows: layers, the networks that condition them, and the models made of both.
//
// A flow is an invertible map f from data x to a latent z whose density is known, so that
//
//	log p(x) = log p_Z(f(x)) + log|det df/dx|
//
// forward is x -> z, inverse is z -> x, and logDet is always the log-determinant of forward, one float32 per sample.
// One legend of letters holds everywhere: N samples, C channels, H W height and width, P = H*W pixels, D = C*P
// dimensions, L levels, S steps per level. A batch in flight is channel-major [C][N][H][W]; the tensors of the public
// API are (N, C, H, W) or (N, D).
package flowgpu
