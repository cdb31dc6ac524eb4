package kernels

import "strings"

// Kernel is one kernel as a launch sees it.
type Kernel struct {
	Name   string
	Family string // of Module
	// Args has a letter for each argument: p a pointer, l a 64-bit integer, i a 32-bit integer, f a float32.
	Args string
}

// Table lists the kernels of a target. What the arguments are is said beside each kernel in its family's .cu.
func Table(t Target) []Kernel {
	var all []Kernel
	add := func(family, args string, names ...string) {
		for _, n := range names {
			all = append(all, Kernel{n, family, args})
		}
	}
	add("memory", "lfp", "fill")
	add("memory", "lpp", "copy", "widen")
	add("memory", "lfpp", "axpy", "scale", "blend")

	add("reduce", "lpp", "sum_parts", "sum_squares_parts")
	add("reduce", "lppp", "max_abs_diff_parts")
	add("reduce", "ifpp", "sum_finish")
	add("reduce", "ilfpp", "add_sum")
	add("reduce", "ipp", "max_finish")
	add("reduce", "iifpp", "row_sums", "sample_sums")
	add("reduce", "iifppp", "row_pairs")

	add("noise", "iiiiiipp", "uniform")
	add("noise", "iiiiiifpp", "normal", "logistic")
	add("noise", "iiiiiifppp", "dequantize")
	add("noise", "iiiiiiffpp", "dropout")
	add("gated", "lpp", "gate", "gate_backward")
	add("circle", "lp", "wrap")
	add("circle", "lpp", "angles")
	add("circle", "lppp", "angles_backward")

	add("actnorm", "iiippp", "actnorm", "actnorm_inverse")
	add("actnorm", "iiiifppppppp", "actnorm_backward")
	add("actnorm", "iiiipppp", "actnorm_init")

	add("norm", "iiipp", "row_total")
	add("norm", "iiiipp", "row_parts")
	add("norm", "iiiipppp", "channel_stats")
	add("norm", "ifpppp", "batch_norm_fold")
	add("norm", "ifpppppp", "batch_norm_scale")
	add("norm", "iiiffpppppp", "batch_norm_backward")
	add("norm", "iiiipppp", "affine_act")
	add("norm", "iiiiifpppppp", "batch_norm_act_sums")
	add("norm", "iiiiifppppppppp", "batch_norm_act_backward")
	add("norm", "ippp", "weight_norm")
	add("norm", "ippppp", "weight_norm_backward")
	add("norm", "ippppp", "row_scale")
	add("norm", "ipppppppp", "row_scale_backward")

	for _, law := range []string{"sigmoid", "exp", "tanh", "gauss"} {
		add("coupling", "iiiiiippppp", "coupling_forward_"+law, "coupling_inverse_"+law)
		add("coupling", "iiiifpppppp", "coupling_backward_"+law)
	}
	add("coupling", "lppp", "coupling_backward_additive")

	add("shape", "iiippp", "permute")
	add("shape", "iiiipp", "squeeze", "unsqueeze")
	add("shape", "iiiiipp", "checker_pack", "checker_unpack")
	add("shape", "iipp", "transpose")

	add("prior", "iiiiiippp", "gaussian_logp", "logistic_logp")
	add("prior", "lfpp", "logistic_logp_backward")
	add("prior", "iiiiiifppp", "logit")
	add("prior", "lfp", "logit_inverse")

	add("classes", "iiipppp", "class_affine", "class_affine_inverse")
	add("classes", "iifppp", "class_logdet")
	add("classes", "iiiifpppppp", "class_affine_backward")
	add("classes", "iiipppp", "class_sums")

	add("mixture", "iiiipppp", "mixture_squares")
	add("mixture", "iiiippp", "mixture_finish")
	add("mixture", "iiifppppp", "mixture_dx")
	add("mixture", "iiifpppppp", "mixture_dparams")
	add("mixture", "iippp", "mixture_evidence", "mixture_pick")
	add("mixture", "iifppp", "mixture_dlogits")
	add("mixture", "iiippp", "center")
	add("mixture", "iiipppp", "center_backward")
	add("mixture", "iiifpp", "weigh")
	add("mixture", "ippp", "triangle")
	add("mixture", "ipppp", "triangle_backward")
	add("mixture", "iipppp", "mixture_place")
	add("mixture", "iippppp", "mixture_place_full")
	add("mixture", "lfp", "at_most")

	add("mixcdf", "iipppp", "cdf_parts")
	add("mixcdf", "iiiiiiiiipppp", "cdf_forward", "cdf_inverse")
	add("mixcdf", "iiiiiiifpppp", "cdf_backward")
	add("mixcdf", "iiiiiifppppppp", "cdf_component")
	add("mixcdf", "iiiiiifffppp", "beta_logp")
	add("mixcdf", "lfffpp", "beta_logp_backward")
	add("mixcdf", "lfffffp", "beta_quantile")

	for _, f := range []string{"sigmoid", "logit", "tanh", "atanh", "softplus", "logexpm1", "asinh", "sinh", "leakyrelu"} {
		add("elementwise", "iiiiiifppp", "map_"+f)
		add("elementwise", "lffpp", "map_backward_"+f)
	}

	add("ode", "iiiiipp", "field_turn")
	add("ode", "iiiiiiiifpppppp", "field_value")
	add("ode", "iiiiiiiiiiffffpppppppp", "field_back")
	add("ode", "iiiiiipp", "field_add")
	add("ode", "llffffffffpppp", "field_sum")
	add("ode", "iiffpppp", "field_errors")
	add("ode", "iiiffpppp", "scaled_squares")
	add("ode", "lp", "directions")
	add("ode", "lipppp", "smooth_forward", "smooth_backward")
	add("ode", "iiifppp", "dots")

	add("planar", "ipppp", "planar_fold")
	add("planar", "ipppppp", "planar_fold_backward")
	add("planar", "iiifpppppp", "planar", "planar_inverse")
	add("planar", "iiiffppppppp", "planar_backward")
	add("planar", "iippppp", "planar_finish")
	add("planar", "iippppp", "radial", "radial_inverse")
	add("planar", "iifpppppp", "radial_backward")
	add("planar", "iipppppp", "radial_finish")

	add("sylvester", "iiipp", "householder")
	add("sylvester", "iiipppp", "householder_backward")
	add("sylvester", "ippppppp", "sylvester_fold")
	add("sylvester", "ippppppppp", "sylvester_fold_backward")
	add("sylvester", "iiifpppp", "sylvester_gate")
	add("sylvester", "iiiiffppppp", "sylvester_gate_backward")
	add("sylvester", "iiifppppppppp", "sylvester_solve")

	for _, kind := range []string{"affine", "linear", "quadratic", "rational", "logistic", "gauss"} {
		add("maskedinverse", "iiiiiiiiliifff"+strings.Repeat("p", 5+2*MaskedLayers), "masked_inverse_"+kind)
		add("spline", "iiiiiiiifffpppp", "curve_"+kind, "uncurve_"+kind)
		add("spline", "iiiiiffffppp", "curve_backward_"+kind, "uncurve_backward_"+kind)
	}

	add("masked", "iiiiiiiipppp", "masked_forward")
	add("masked", "iiiiiiiippp", "masked_data")
	add("masked", "iiiiippp", "masked_weight")
	add("masked", "lpp", "rectify")

	for _, width := range []string{"16", "32", "64"} {
		add("attention", "iiiiippp", "attend_"+width)
		add("attention", "iiiiipppppp", "attend_queries_"+width)
		add("attention", "iiiiippppp", "attend_keys_"+width)
	}
	add("attention", "iiiiippppp", "attend_step")
	add("layernorm", "iifppppp", "layer_norm")
	add("layernorm", "iippppp", "layer_norm_backward")
	add("layernorm", "iiiipppppp", "layer_norm_params")
	add("layernorm", "lpp", "gelu", "gelu_backward")
	add("tokens", "liipp", "add_positions")
	add("tokens", "iiipp", "positions_backward")
	add("tokens", "liiippp", "embed")
	add("tokens", "iiiippp", "embed_backward")
	add("tokens", "iiippp", "gather", "scatter")

	add("adam", "lifffffppppppp", "adam")

	add("mix", "iiippp", "mix_64", "mix_32", "mix_16", "mix_8")
	add("lu", "ipppppp", "lu_compose", "lu_invert")
	add("lu", "ippppppfppp", "lu_backward")

	const convolve, weight1, weight3 = "iiiiiiippppp", "iiiiiippppp", "iiiiiiippppp"
	products := func(family string, p Precision) {
		for _, op := range []string{"forward", "data"} {
			for _, tile := range []string{"1_big", "1_flat", "1_strip", "3_big", "3_flat"} {
				add(family, convolve, "conv_"+op+tile+string(p))
			}
		}
		for _, tile := range []string{"big", "tall", "strip"} {
			add(family, weight1, "conv_weight1_"+tile+string(p))
		}
		add(family, weight3, "conv_weight3_tall"+string(p))
	}
	products("conv", FP32)
	add("conv", "iiiiiippp", "conv_finish")
	add("conv", "iiiiiiiippp", "conv_fold")
	add("conv", "iiippp", "weight_finish", "turned_finish")
	if t == Compute80 {
		products("tensor", TF32)
		products("tensor", BF16)
	}
	return all
}
