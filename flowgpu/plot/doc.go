// Package plot draws what a flow has learned: densities, samples, the map between data and latent, and the flow layer by
// layer. It takes arrays and knows nothing of models. Pictures come as PNG, SVG and PDF, and moving ones as GIF; the
// same arrays give the same bytes.
//
// Colours are told apart by eyes of all kinds: curves and points by the hues of Okabe and Ito, heat by viridis. Data is
// blue, and what a model says is orange, everywhere.
package plot
