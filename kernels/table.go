package kernels

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

	add("noise", "iiiiiipp", "uniform")
	add("noise", "iiiiiifpp", "normal", "logistic")
	add("noise", "iiiiiifppp", "dequantize")

	add("actnorm", "iiippp", "actnorm", "actnorm_inverse")
	add("actnorm", "iiiifppppppp", "actnorm_backward")
	add("actnorm", "iiippp", "actnorm_init")

	add("norm", "iiippp", "row_total")
	add("norm", "iiipp", "row_mean")
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

	add("adam", "lifffffppppppp", "adam")

	add("mix", "iiippp", "mix_64", "mix_32", "mix_16", "mix_8")
	add("lu", "ipppppp", "lu_compose", "lu_invert")
	add("lu", "ippppppfppp", "lu_backward")

	const convolve, weight = "iiiiiiippppp", "iiiiiippppp"
	for _, k := range []string{"1", "3"} {
		for _, tile := range []string{"big", "flat", "strip"} {
			add("conv", convolve, "conv_forward"+k+"_"+tile, "conv_data"+k+"_"+tile)
		}
	}
	weights := []string{"conv_weight1_big", "conv_weight1_tall", "conv_weight1_strip", "conv_weight3_tall", "conv_weight3_slim"}
	add("conv", weight, weights...)
	add("conv", "iiiiiippp", "conv_finish")
	add("conv", "iiippp", "weight_finish")
	if t != Compute80 {
		return all
	}
	for _, p := range []Precision{TF32, BF16} {
		for _, k := range all {
			switch {
			case k.Family == "conv" && k.Args == convolve:
				add("tensor", convolve, k.Name+string(p))
			case k.Family == "conv" && k.Args == weight:
				add("tensor", "iiiiiipppp", k.Name+string(p)) // without db
			}
		}
	}
	return all
}
